import { DomainEvent } from '@daybook/platform';

export class ProductCreated extends DomainEvent {
  readonly type = 'product.created';
  readonly entityType = 'product';
}

export class ProductChanged extends DomainEvent {
  readonly type = 'product.changed';
  readonly entityType = 'product';
}

export class WarehouseCreated extends DomainEvent {
  readonly type = 'warehouse.created';
  readonly entityType = 'warehouse';
}

/** On hand changed; the entity is `<sku>@<warehouse>`, which has no version. */
export class StockAdjusted extends DomainEvent {
  readonly type = 'stock.adjusted';
  readonly entityType = 'stock_level';
}

/**
 * A level was not what stood behind it, and was made so. `moved` is what its movements come to, which is what is on hand
 * since. The entity is as in {@link StockAdjusted}.
 */
export class StockCorrected extends DomainEvent {
  readonly type = 'stock.corrected';
  readonly entityType = 'stock_level';
}

/** A hold that belonged to no active reservation was deleted; the entity is `<reservation>/<sku>@<warehouse>`. */
export class HoldRemoved extends DomainEvent {
  readonly type = 'stock_hold.removed';
  readonly entityType = 'stock_hold';
}
