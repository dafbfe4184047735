import type { Product, StockLevel, Warehouse } from './entities.ts';

export interface RequestedLine {
  sku: string;
  quantity: number;
}

/** Where the goods of one line come from. */
export interface Allocation {
  product: Product;
  quantity: number;
  parts: { warehouse: Warehouse; quantity: number }[];
}

export class InsufficientStock extends Error {
  constructor(readonly shortLines: { sku: string; requested: number; available: number }[]) {
    super('insufficient stock');
  }
}

export function demandBySku(lines: RequestedLine[]): Map<string, number> {
  const demand = new Map<string, number>();
  for (const { sku, quantity } of lines) demand.set(sku, (demand.get(sku) ?? 0) + quantity);
  return demand;
}

/** Takes each line from the warehouses in their order, all lines or none. */
export function allocate(lines: RequestedLine[], levels: StockLevel[]): Allocation[] {
  const available = new Map(levels.map((level) => [level, availableIn(level)]));
  const levelsOf = Map.groupBy(levels, (level) => level.product.sku);
  const shortLines = [...demandBySku(lines)]
    .map(([sku, requested]) => ({ sku, requested, available: sumAvailable(levelsOf.get(sku) ?? []) }))
    .filter((line) => line.requested > line.available);
  if (shortLines.length > 0) throw new InsufficientStock(shortLines);

  return lines.map(({ sku, quantity }) => {
    const own = levelsOf.get(sku) ?? [];
    const parts: Allocation['parts'] = [];
    let missing = quantity;
    for (const level of own) {
      const taken = Math.min(missing, available.get(level) ?? 0);
      if (taken === 0) continue;
      parts.push({ warehouse: level.warehouse, quantity: taken });
      available.set(level, (available.get(level) ?? 0) - taken);
      missing -= taken;
    }
    const product = own[0]?.product;
    if (product === undefined) throw new Error(`no stock level for ${sku}`);
    return { product, quantity, parts };
  });
}

function availableIn(level: StockLevel): number {
  return Number(level.onHand) - Number(level.reserved) - Number(level.allocated);
}

function sumAvailable(levels: StockLevel[]): number {
  return levels.reduce((total, level) => total + availableIn(level), 0);
}
