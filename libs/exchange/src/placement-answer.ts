import { Answer, etag, type RequestContext } from '@daybook/platform';

import { toExchangeOrderResponse } from './exchange-order.dto.js';
import type { ExchangeOrder } from './exchange-order.entity.js';
import { OrderRejected, VenueUnavailable } from './exchange-order.errors.js';

export const EXCHANGE_ORDERS_PATH = '/api/v1/exchange/orders';

export function locationOf({ id }: ExchangeOrder): string {
  return `${EXCHANGE_ORDERS_PATH}/${id}`;
}

/**
 * What whoever placed the order is told, by how the order stands: 201, 202 while its fate is not known, or the problem that
 * says why it came to nothing.
 */
export function placementAnswer(order: ExchangeOrder, { requestId }: RequestContext): Answer {
  const request = { url: EXCHANGE_ORDERS_PATH, id: requestId };
  if (order.status === 'rejected') return Answer.refused(new OrderRejected(order), request);
  if (order.status === 'failed') return Answer.refused(new VenueUnavailable(order), request);
  if (order.status === 'pending') return accepted(order);
  return Answer.created(toExchangeOrderResponse(order), locationOf(order), order.version);
}

/** The answer in case that no other can be given any more. */
export function provisionalAnswer(order: ExchangeOrder): Answer {
  return accepted(order, true);
}

function accepted(order: ExchangeOrder, isProvisional = false): Answer {
  return new Answer(202, JSON.stringify(toExchangeOrderResponse(order)), {
    location: locationOf(order),
    etag: etag(order.version),
    isProvisional,
  });
}
