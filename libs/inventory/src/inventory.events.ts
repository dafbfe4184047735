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
