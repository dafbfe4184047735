export { AdjustStock } from './adjust-stock/adjust-stock.command.js';
export {
  type Allocation,
  ALLOCATION_STRATEGY,
  AllocateByPriority,
  AllocateFewestParcels,
  type AllocationStrategy,
  type Demand,
} from './allocation/allocation-strategy.js';
export { type AvailableLevel, type ProductStock, StockLedger } from './allocation/stock-ledger.js';
export { CreateProduct } from './create-product/create-product.command.js';
export { CreateWarehouse } from './create-warehouse/create-warehouse.command.js';
export {
  DuplicateSku,
  DuplicateWarehouse,
  InsufficientStock,
  ProductInactive,
  type ShortLine,
} from './inventory.errors.js';
export { ProductChanged, ProductCreated, StockAdjusted, WarehouseCreated } from './inventory.events.js';
export { InventoryModule } from './inventory.module.js';
export { type StockChange, type StockMovement, StockRepository } from './stock.repository.js';
