import type { ShortLine } from '../inventory.errors.js';

/** What one warehouse could still give of a product. */
export interface AvailableLevel {
  readonly warehouseId: number;
  /** The warehouse's code. */
  readonly warehouse: string;
  /** Lowest first. */
  readonly priority: number;
  readonly available: number;
}

/** A product as an order sees it, with its stock locked and read in the same transaction. */
export interface ProductStock {
  readonly productId: number;
  readonly sku: string;
  readonly name: string;
  readonly priceCents: number;
  readonly currency: string;
  readonly active: boolean;
  readonly levels: readonly AvailableLevel[];
}

/**
 * The stock of one batch while it is being decided: each accepted order takes from it, so that the next one sees what
 * is left. Plain memory; what was taken is written afterwards.
 */
export class StockLedger {
  private readonly levels = new Map<number, { -readonly [K in keyof AvailableLevel]: AvailableLevel[K] }[]>();

  constructor(products: Iterable<ProductStock>) {
    for (const { productId, levels } of products) {
      const own = levels.map((level) => ({ ...level }));
      this.levels.set(
        productId,
        own.sort((a, b) => a.priority - b.priority || a.warehouseId - b.warehouseId),
      );
    }
  }

  /** The product's levels, best warehouse first. */
  levelsOf(productId: number): readonly AvailableLevel[] {
    return this.levels.get(productId) ?? [];
  }

  /** Over all warehouses. */
  availableOf(productId: number): number {
    let sum = 0;
    for (const { available } of this.levelsOf(productId)) sum += Math.max(available, 0);
    return sum;
  }

  /** The products of which too little is left. Compares sums: two lines must not each see the same stock. */
  findShortLines(lines: readonly { productId: number; sku: string; quantity: number }[]): ShortLine[] {
    const wanted = new Map<number, { sku: string; requested: number }>();
    for (const { productId, sku, quantity } of lines) {
      const sum = wanted.get(productId);
      if (sum === undefined) wanted.set(productId, { sku, requested: quantity });
      else sum.requested += quantity;
    }
    const short: ShortLine[] = [];
    for (const [productId, { sku, requested }] of wanted) {
      const available = this.availableOf(productId);
      if (available < requested) short.push({ sku, requested, available });
    }
    return short;
  }

  giveBack(productId: number, warehouseId: number, quantity: number): void {
    const level = this.levels.get(productId)?.find((candidate) => candidate.warehouseId === warehouseId);
    if (level === undefined) throw new RangeError(`Warehouse ${warehouseId} has no product ${productId}`);
    level.available += quantity;
  }

  take(productId: number, warehouseId: number, quantity: number): void {
    const level = this.levels.get(productId)?.find((candidate) => candidate.warehouseId === warehouseId);
    if (level === undefined || level.available < quantity) {
      throw new RangeError(`Warehouse ${warehouseId} cannot give ${quantity} of product ${productId}`);
    }
    level.available -= quantity;
  }
}
