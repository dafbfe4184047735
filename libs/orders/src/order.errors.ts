import { DomainError, NotFound } from '@daybook/platform';

/** The customer has used this `clientOrderId` already; `orderId` names the order it made. */
export class DuplicateClientOrderId extends DomainError {
  readonly code = 'duplicate_client_order_id';
  readonly status = 409;

  constructor(clientOrderId: string, orderId: string) {
    super(`The clientOrderId ${clientOrderId} belongs to order ${orderId}.`, { clientOrderId, orderId });
  }
}

/** What is said of an order that does not exist, and to a customer of another's order. */
export function unknownOrder(orderId: string): NotFound {
  return new NotFound(`There is no order ${orderId}.`);
}
