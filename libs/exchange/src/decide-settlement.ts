import type { PlacementOutcome } from './exchange-gateway.js';
import type { ExchangeOrder } from './exchange-order.entity.js';

/** What was learnt of an order: how its placement went, or that the venue does not know it. */
export type Resolution =
  | PlacementOutcome
  | { readonly kind: 'unseen' }
  /** It is not at the venue, and nobody has sent it for a long time, nor will. */
  | { readonly kind: 'given_up'; readonly reason: string };

/**
 * The order as it is with what was learnt of it; the very same when that is nothing new. Reports of the venue may have
 * overtaken its answer: then they have told more than the answer does. Pure.
 * @param isBeingRecovered somebody else asks the venue about it, and may send it again, or has done so
 * @param updatedAt the moment of the batch, by the database clock
 */
export function decideSettlement(
  order: ExchangeOrder,
  resolution: Resolution,
  isBeingRecovered: boolean,
  updatedAt: Date,
): ExchangeOrder {
  const move = (status: ExchangeOrder['status'], reason: string | null): ExchangeOrder => ({
    ...order,
    status,
    reason,
    updatedAt,
    version: order.version + 1,
  });
  // The venue accepted it before, so somebody over there has forgotten it: nothing of it can be filled any more.
  if (resolution.kind === 'unseen')
    return order.status === 'cancel_pending'
      ? move('cancelled', 'The venue does not know the order.')
      : order;
  if (order.status !== 'pending') return order;
  switch (resolution.kind) {
    case 'accepted':
      return move('created', null);
    case 'refused':
      return move('rejected', resolution.reason);
    case 'given_up':
      return move('failed', resolution.reason);
    case 'unavailable':
      // It says that this attempt is not at the venue. Of another one it says nothing.
      return isBeingRecovered ? order : move('failed', resolution.reason);
    case 'unknown':
      return order;
  }
}
