export { AdjustStock } from './adjust-stock/adjust-stock.command.js';
export {
  allocateLines,
  findProducts,
  type RequestedLine,
  type WantedProduct,
} from './allocation/allocate-lines.js';
export {
  type Allocation,
  ALLOCATION_STRATEGY,
  AllocateByPriority,
  AllocateFewestParcels,
  type AllocationStrategy,
  type Demand,
} from './allocation/allocation-strategy.js';
export { type AvailableLevel, type ProductStock, StockLedger } from './allocation/stock-ledger.js';
export { CorrectStock, type CorrectedStock } from './correct-stock/correct-stock.command.js';
export type { StockCorrection, StockDrift, UncorrectableStock } from './correct-stock/decide-corrections.js';
export { CreateProduct } from './create-product/create-product.command.js';
export { CreateWarehouse } from './create-warehouse/create-warehouse.command.js';
export { ExpireReservations } from './expire-reservations/expire-reservations.command.js';
export {
  DuplicateSku,
  DuplicateWarehouse,
  InsufficientStock,
  ProductInactive,
  ReservationNotActive,
  type ShortLine,
} from './inventory.errors.js';
export {
  HoldRemoved,
  ProductChanged,
  ProductCreated,
  StockAdjusted,
  StockCorrected,
  WarehouseCreated,
} from './inventory.events.js';
export { InventoryModule } from './inventory.module.js';
export {
  asOf,
  changed,
  claim,
  type Hold,
  holdsOf,
  type Reservation,
  RESERVATION_STATUSES,
  type ReservationClaimant,
  type ReservationLine,
  type ReservationStatus,
  reservationStatusMachine,
} from './reservation.js';
export {
  ReservationConsumed,
  ReservationCreated,
  ReservationExpired,
  ReservationExtended,
  ReservationReleased,
} from './reservation.events.js';
export { ReservationsRepository } from './reservations.repository.js';
export { ReserveStock } from './reserve-stock/reserve-stock.command.js';
export { type StockChange, type StockMovement, StockRepository } from './stock.repository.js';
