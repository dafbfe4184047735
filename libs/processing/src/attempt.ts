import type { AttemptOutcome, Order } from '@daybook/orders';

import type { QueuedAttempt } from './order-queue.js';

/** An attempt that holds its order: it can be settled as long as the order is at this version. */
export interface HeldAttempt extends QueuedAttempt {
  /** The order's version since it was claimed. */
  readonly version: number;
}

/** An order in a worker's hands. */
export interface Claim extends HeldAttempt {
  /** With its lines. */
  readonly order: Order;
}

/** How an attempt ended; what becomes of the order follows from it. */
export interface Verdict {
  readonly outcome: AttemptOutcome;
  /** Kept in the audit trail. */
  readonly reason?: string | undefined;
  readonly durationMs?: number | undefined;
}

/** One attempt has one request id, in the journal and in the logs. */
export function requestIdOf({ orderId, retryCount }: QueuedAttempt): string {
  return `${orderId}/${retryCount + 1}`;
}
