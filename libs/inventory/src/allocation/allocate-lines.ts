import { type DomainError, type FieldError, ValidationFailed } from '@daybook/platform';

import { InsufficientStock, ProductInactive } from '../inventory.errors.js';
import type { Allocation, AllocationStrategy } from './allocation-strategy.js';
import type { ProductStock, StockLedger } from './stock-ledger.js';

/** What a client asks for. */
export interface RequestedLine {
  readonly sku: string;
  readonly quantity: number;
}

/** A line's product, as it is sold now, and how much of it is wanted. */
export type WantedProduct = ProductStock & { readonly quantity: number };

/**
 * Finds the products of the lines, in the order of the lines, or the reason why they cannot be sold together: one is
 * unknown or not for sale, or their currencies differ.
 */
export function findProducts(
  lines: readonly RequestedLine[],
  products: ReadonlyMap<string, ProductStock>,
): WantedProduct[] | DomainError {
  const wanted: WantedProduct[] = [];
  const unknown: FieldError[] = [];
  for (const [index, { sku, quantity }] of lines.entries()) {
    const product = products.get(sku);
    if (product === undefined)
      unknown.push({ path: `lines[${index}].sku`, message: `is no known product: ${sku}` });
    else wanted.push({ ...product, quantity });
  }
  if (unknown.length > 0) return new ValidationFailed(unknown);
  return findUnsellable(wanted) ?? wanted;
}

function findUnsellable(wanted: readonly ProductStock[]): DomainError | undefined {
  const inactive = wanted.find(({ active }) => !active);
  if (inactive !== undefined) return new ProductInactive(inactive.sku);
  const currency = wanted[0]?.currency;
  const foreign = wanted.findIndex((product) => product.currency !== currency);
  if (foreign === -1) return undefined;
  const message = `is priced in ${wanted[foreign]?.currency}, the first line in ${currency}`;
  return new ValidationFailed([{ path: `lines[${foreign}].sku`, message }]);
}

/** Takes all lines from the ledger, or none: the allocations of each line, in their order. */
export function allocateLines(
  wanted: readonly WantedProduct[],
  ledger: StockLedger,
  strategy: AllocationStrategy,
): Allocation[][] | InsufficientStock {
  const short = ledger.findShortLines(wanted);
  return short.length > 0 ? new InsufficientStock(short) : strategy.allocate(wanted, ledger);
}
