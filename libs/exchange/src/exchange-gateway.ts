import type { ExecutionReport } from './execution-report.js';
import type { ExchangeOrder } from './exchange-order.entity.js';

/** The dependency injection token of the {@link ExchangeGateway}. */
export const EXCHANGE_GATEWAY = Symbol('ExchangeGateway');

/** What became of the attempt to place an order. */
export type PlacementOutcome =
  | { readonly kind: 'accepted' }
  /** The venue said no, for good. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** The order is certainly not at the venue, and will not get there: nothing was sent, or it was told that nothing was taken. */
  | { readonly kind: 'unavailable'; readonly reason: string }
  /** It may be at the venue, or still get there. */
  | { readonly kind: 'unknown'; readonly reason: string };

/** What became of the wish to cancel an order. How the order ends is told by the stream. */
export type CancelOutcome =
  | { readonly kind: 'requested' }
  /** The venue does not know the order. */
  | { readonly kind: 'unseen' }
  | { readonly kind: 'unavailable' | 'unknown'; readonly reason: string };

/** What the venue knows of an order. */
export type Finding =
  | { readonly kind: 'found' }
  | { readonly kind: 'refused'; readonly reason: string }
  /** The venue has never seen it. An order that is still on its way there may come. */
  | { readonly kind: 'unseen' }
  | { readonly kind: 'unavailable' | 'unknown'; readonly reason: string };

/**
 * The way to one venue. Orders are named by their ClOrdID, which is their id here; the venue must tell a second placement
 * under the same ClOrdID from a new order, and answer it as the first.
 *
 * Requests never throw: whatever goes wrong is an outcome. They end soon after the signal is aborted, and an order that may
 * have left by then is `unknown`.
 */
export interface ExchangeGateway {
  /** The venue's name, as ISO 10383 (MIC) has it: `XSIM`. */
  readonly venue: string;

  place(order: ExchangeOrder, signal: AbortSignal): Promise<PlacementOutcome>;

  cancel(order: ExchangeOrder, signal: AbortSignal): Promise<CancelOutcome>;

  find(order: ExchangeOrder, signal: AbortSignal): Promise<Finding>;

  /**
   * The stream of execution reports behind a sequence number, as the venue sends them: what arrives together comes together. It
   * may repeat, reorder and leave out; whoever reads it puts it in order. Begins with an empty list when the connection
   * stands, so that a quiet venue can be told from one that cannot be reached. Ends without an error when the signal is aborted.
   * @param after the last sequence number that is not needed any more; 0 for all
   * @throws when the connection cannot be made or breaks
   */
  reports(after: number, signal: AbortSignal): AsyncIterable<readonly ExecutionReport[]>;

  /** Called once, when the process stops. */
  close?(): Promise<void>;
}
