import { DomainError } from '@daybook/platform';

/** A line that asks for more than there is. */
export interface ShortLine {
  readonly sku: string;
  readonly requested: number;
  readonly available: number;
}

export class InsufficientStock extends DomainError {
  readonly code = 'insufficient_stock';
  readonly status = 409;

  constructor(readonly lines: readonly ShortLine[]) {
    const shortages = lines.map(
      ({ sku, requested, available }) => `${sku}: ${requested} requested, ${available} available`,
    );
    super(`There is not enough stock: ${shortages.join('; ')}.`, { lines });
  }
}

export class DuplicateSku extends DomainError {
  readonly code = 'duplicate_sku';
  readonly status = 409;

  constructor(sku: string) {
    super(`There is a product ${sku} already.`, { sku });
  }
}

export class DuplicateWarehouse extends DomainError {
  readonly code = 'duplicate_warehouse';
  readonly status = 409;

  constructor(warehouse: string) {
    super(`There is a warehouse ${warehouse} already.`, { warehouse });
  }
}

export class ProductInactive extends DomainError {
  readonly code = 'product_inactive';
  readonly status = 409;

  constructor(sku: string) {
    super(`The product ${sku} is not for sale.`, { sku });
  }
}

/** The reservation has ended: `status` says how, `orderId` names the order that consumed it. */
export class ReservationNotActive extends DomainError {
  readonly code = 'reservation_not_active';
  readonly status = 409;

  constructor(reservationId: string, status: string, orderId: string | null) {
    const end = orderId === null ? status : `${status} by order ${orderId}`;
    super(`The reservation ${reservationId} is ${end}.`, {
      reservationId,
      reservationStatus: status,
      orderId,
    });
  }
}
