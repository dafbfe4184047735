import { DomainError } from '@daybook/platform';

import { allocateLines, findProducts, type RequestedLine } from '../allocation/allocate-lines.js';
import type { AllocationStrategy } from '../allocation/allocation-strategy.js';
import { type ProductStock, StockLedger } from '../allocation/stock-ledger.js';
import type { ReservationLine } from '../reservation.js';

/**
 * Decides a batch of reservations in their order of arrival: each sees the stock that those before it left. All lines
 * or none. Pure.
 * @returns what each one holds, or its refusal
 */
export function decideReservations(
  requests: readonly (readonly RequestedLine[])[],
  products: ReadonlyMap<string, ProductStock>,
  strategy: AllocationStrategy,
): (readonly ReservationLine[] | DomainError)[] {
  const ledger = new StockLedger(products.values());
  return requests.map((lines) => {
    const wanted = findProducts(lines, products);
    if (wanted instanceof DomainError) return wanted;
    const allocations = allocateLines(wanted, ledger, strategy);
    if (allocations instanceof DomainError) return allocations;
    return wanted.map(({ productId, sku, quantity }, index) => ({
      productId,
      sku,
      quantity,
      allocations: allocations[index] ?? [],
    }));
  });
}
