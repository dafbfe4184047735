import type { AvailableLevel, StockLedger } from './stock-ledger.js';

/** One line's wish. Two lines may name the same product. */
export interface Demand {
  readonly productId: number;
  readonly quantity: number;
}

/** What one warehouse gives to a line. */
export interface Allocation {
  readonly warehouseId: number;
  /** The warehouse's code. */
  readonly warehouse: string;
  readonly quantity: number;
}

/**
 * Chooses the warehouses of an order or a reservation. Called only when the stock suffices over all warehouses, and
 * takes what it chooses from the ledger. Pure: same ledger, same answer.
 */
export interface AllocationStrategy {
  /** The allocations of each line, in the order of the demands; each line's quantities add up to its demand. */
  allocate(demands: readonly Demand[], ledger: StockLedger): Allocation[][];
}

/** The dependency injection token of the configured {@link AllocationStrategy}. */
export const ALLOCATION_STRATEGY = Symbol('AllocationStrategy');

/** Takes each line from the best warehouse until that is empty, then from the next: keeps the main warehouse turning. */
export class AllocateByPriority implements AllocationStrategy {
  allocate(demands: readonly Demand[], ledger: StockLedger): Allocation[][] {
    return demands.map((demand) => takeInOrder(demand, ledger.levelsOf(demand.productId), ledger));
  }
}

/**
 * Sends as few parcels as it can without searching: the best warehouse that has the whole order; else line by line the
 * best warehouse that has the whole line; else the line is split by priority.
 */
export class AllocateFewestParcels implements AllocationStrategy {
  allocate(demands: readonly Demand[], ledger: StockLedger): Allocation[][] {
    const whole = this.findForAll(demands, ledger);
    return demands.map((demand) => {
      const levels = ledger.levelsOf(demand.productId);
      const single = levels.find(
        ({ warehouseId, available }) =>
          warehouseId === (whole ?? warehouseId) && available >= demand.quantity,
      );
      return takeInOrder(demand, single ? [single] : levels, ledger);
    });
  }

  /** The best warehouse that can give all lines, summed per product. */
  private findForAll(demands: readonly Demand[], ledger: StockLedger): number | undefined {
    const totals = new Map<number, number>();
    for (const { productId, quantity } of demands)
      totals.set(productId, (totals.get(productId) ?? 0) + quantity);
    const canGive = (warehouseId: number) =>
      [...totals].every(([productId, quantity]) =>
        ledger
          .levelsOf(productId)
          .some((level) => level.warehouseId === warehouseId && level.available >= quantity),
      );
    const candidates = demands[0] === undefined ? [] : ledger.levelsOf(demands[0].productId);
    return candidates.find(({ warehouseId }) => canGive(warehouseId))?.warehouseId;
  }
}

function takeInOrder(demand: Demand, levels: readonly AvailableLevel[], ledger: StockLedger): Allocation[] {
  const allocations: Allocation[] = [];
  let missing = demand.quantity;
  for (const { warehouseId, warehouse, available } of levels) {
    const quantity = Math.min(missing, available);
    if (quantity <= 0) continue;
    ledger.take(demand.productId, warehouseId, quantity);
    allocations.push({ warehouseId, warehouse, quantity });
    missing -= quantity;
  }
  if (missing > 0) throw new RangeError(`Product ${demand.productId} is short of ${missing}`);
  return allocations;
}
