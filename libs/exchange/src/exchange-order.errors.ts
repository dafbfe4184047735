import { DomainError, NotFound } from '@daybook/platform';

import type { ExchangeOrder } from './exchange-order.entity.js';

/** The customer has used this `clientOrderId` already; `orderId` names the order it made. */
export class ClientOrderIdTaken extends DomainError {
  readonly code = 'duplicate_client_order_id';
  readonly status = 409;

  constructor(clientOrderId: string, orderId: string) {
    super(`The clientOrderId ${clientOrderId} belongs to order ${orderId}.`, { clientOrderId, orderId });
  }
}

/** The venue said no. The order is kept. */
export class OrderRejected extends DomainError {
  readonly code = 'order_rejected';
  readonly status = 422;

  constructor({ id, reason }: ExchangeOrder) {
    super(`The venue refused order ${id}: ${reason}`, { orderId: id, reason });
  }
}

/** The order has certainly not reached the venue. It is kept. */
export class VenueUnavailable extends DomainError {
  readonly code = 'venue_unavailable';
  readonly status = 502;

  constructor({ id, reason }: ExchangeOrder) {
    super(`Order ${id} did not reach the venue, and will not be sent again: ${reason}`, {
      orderId: id,
      reason,
    });
  }
}

/** There is no venue. Nothing was done. */
export class ExchangeNotConfigured extends DomainError {
  readonly code = 'exchange_not_configured';
  readonly status = 503;

  constructor() {
    super('This server is connected to no venue (EXCHANGE_URL). Nothing was done.');
  }
}

/** The order was placed at a venue that this server is not connected to. Nothing was done. */
export class OtherVenue extends DomainError {
  readonly code = 'exchange_not_configured';
  readonly status = 503;

  constructor({ id, venue }: ExchangeOrder, connected: string) {
    super(
      `Order ${id} is at the venue ${venue}, and this server is connected to ${connected}. Nothing was done.`,
    );
  }
}

/** Only what is at the venue can be cancelled there. */
export class FateUnknown extends DomainError {
  readonly code = 'illegal_transition';
  readonly status = 409;

  constructor({ id, status }: ExchangeOrder, allowed: readonly string[]) {
    super(
      `It is not known yet whether order ${id} is at the venue. It can be cancelled as soon as that is known, usually within seconds.`,
      { from: status, to: 'cancel_pending', allowed },
    );
  }
}

/** What is said of an order that does not exist, and to a customer of another's order. */
export function unknownExchangeOrder(orderId: string): NotFound {
  return new NotFound(`There is no exchange order ${orderId}.`);
}
