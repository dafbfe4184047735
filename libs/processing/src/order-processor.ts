import type { Order } from '@daybook/orders';

/** What an {@link OrderProcessor} knows of the attempt it makes. */
export interface AttemptContext {
  /** Aborted when the attempt's time is up, or when the process stops: what comes then is not waited for. */
  readonly signal: AbortSignal;
  /** 1 for the first. */
  readonly attempt: number;
}

/** The answer comes later: somebody reports the outcome through the callback, at most so long from now. */
export interface Deferred {
  readonly deferredForSeconds: number;
}

/**
 * The work that an accepted order is for: pick and pack, call a fulfilment service. What teams plug in.
 *
 * An order may be processed more than once, when its worker dies before it could write down the outcome; so whatever has an
 * effect elsewhere must be safe to repeat for the same order. Only one outcome is applied.
 */
export interface OrderProcessor {
  /**
   * Resolves when the order is confirmed, or with {@link Deferred}.
   * @param order with its lines, as it is now
   * @throws {ProcessingRefused} when another attempt would end the same way: the order fails
   * @throws anything else: the attempt failed, and the order is tried again as long as it has attempts left
   */
  process(order: Readonly<Order>, context: AttemptContext): Promise<Deferred | void>;

  /** Called once, when the process stops and no attempt is under way: for connections that were kept open. */
  close?(): void;
}

/** The dependency injection token of the {@link OrderProcessor}. */
export const ORDER_PROCESSOR = Symbol('OrderProcessor');

/** The order cannot be processed, now or later. The message is kept in the audit trail. */
export class ProcessingRefused extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = 'ProcessingRefused';
  }
}
