import { DomainEvent, type EventData, type EventOrigin } from '@daybook/platform';

import type { OrderStatus } from './order-status.js';
import type { Order, OrderPriority } from './order.entity.js';

export class OrderPlaced extends DomainEvent<PlacedData> {
  readonly type = 'order.placed';
  readonly entityType = 'order';
  readonly priority: OrderPriority;

  constructor({ id, version, placedAt, lines, ...order }: Order, origin: EventOrigin) {
    const { status, customerId, priority, currency, totalCents, reservationId } = order;
    super(id, version, placedAt.toISOString(), origin, {
      after: {
        status,
        customerId,
        priority,
        currency,
        totalCents,
        lines: lines.map(({ sku, quantity, unitPriceCents }) => ({ sku, quantity, unitPriceCents })),
        ...(reservationId !== null && { reservationId }),
      },
    });
    this.priority = priority;
  }
}

interface PlacedData extends EventData {
  readonly after: Readonly<Record<string, unknown>> & { readonly status: OrderStatus };
}

/** What came of an attempt to process an order. */
export const ATTEMPT_OUTCOMES = [
  'confirmed',
  'refused', // for good: another attempt would end the same way
  'failed',
  'timed_out',
  'abandoned', // its worker was not heard of any more
  'handed_back', // its worker stopped, or none was free for an order that was claimed ahead
] as const;
export type AttemptOutcome = (typeof ATTEMPT_OUTCOMES)[number];

/** One attempt to process an order, as told by whoever made it. */
export interface Attempt {
  /** 1 for the first; counts on until somebody starts the order afresh. */
  readonly number: number;
  /** Absent while it is under way. */
  readonly outcome?: AttemptOutcome;
  /** From its start to the outcome, or from the claim when a service called back; absent when nobody can tell. */
  readonly durationMs?: number;
}

/** `data.before.status` and `data.after.status` name the move. */
export class OrderStatusChanged extends DomainEvent<StatusChangeData> {
  readonly type = 'order.status_changed';
  readonly entityType = 'order';
  readonly priority: OrderPriority;

  /** @param order as it is after the move */
  constructor(order: Order, from: OrderStatus, origin: EventOrigin, circumstances: Circumstances = {}) {
    const { reason, attempt } = circumstances;
    super(order.id, order.version, order.updatedAt.toISOString(), origin, {
      before: { status: from },
      after: { status: order.status },
      ...(reason !== undefined && { reason }),
      ...(attempt !== undefined && { attempt }),
    });
    this.priority = order.priority;
  }
}

/** Why an order moved. */
export interface Circumstances {
  readonly reason?: string | undefined;
  readonly attempt?: Attempt | undefined;
}

interface StatusChangeData extends EventData {
  readonly before: { readonly status: OrderStatus };
  readonly after: { readonly status: OrderStatus };
  readonly attempt?: Attempt;
}
