import { type DomainError, VersionConflict } from '@daybook/platform';

import type { ExchangeOrder } from '../exchange-order.entity.js';
import { FateUnknown, OtherVenue, unknownExchangeOrder } from '../exchange-order.errors.js';
import { exchangeOrderStatusMachine } from '../exchange-order-status.js';

/** One wish to cancel an order. */
export interface CancellationRequest {
  readonly orderId: string;
  /** The one that could be asked. */
  readonly venue: string;
  /** Undefined: whatever version it is at. */
  readonly expectedVersion?: number | undefined;
  /** The customer that asks; undefined for an operator, who may cancel every order. */
  readonly customerId?: string | undefined;
}

/**
 * The order as it is after the wish: `cancel_pending`, the very same if somebody wished it before, or why it cannot be. Pure.
 * @param order locked; undefined when it does not exist
 * @param updatedAt the moment of the batch, by the database clock
 */
export function decideCancellation(
  { orderId, venue, expectedVersion, customerId }: CancellationRequest,
  order: ExchangeOrder | undefined,
  updatedAt: Date,
): ExchangeOrder | DomainError {
  if (order === undefined || (customerId !== undefined && order.customerId !== customerId))
    return unknownExchangeOrder(orderId);
  if (expectedVersion !== undefined && expectedVersion !== order.version)
    return new VersionConflict(order.version);
  if (order.status === 'cancel_pending') return order;
  if (order.status === 'pending')
    return new FateUnknown(order, exchangeOrderStatusMachine.allowed(order.status));
  if (!exchangeOrderStatusMachine.isAllowed(order.status, 'cancel_pending'))
    return exchangeOrderStatusMachine.refusal(order.status, 'cancel_pending');
  if (order.venue !== venue) return new OtherVenue(order, venue);
  return { ...order, status: 'cancel_pending', reason: null, updatedAt, version: order.version + 1 };
}
