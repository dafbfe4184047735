import fc from 'fast-check';

import type { ProductStock } from '@daybook/inventory';

let nextProductId = 1;

/** A product with stock by warehouse; a warehouse's priority is its number, 1 is the best. */
export function product(
  sku: string,
  stock: Readonly<Record<number, number>>,
  changes: Partial<ProductStock> = {},
): ProductStock {
  return {
    productId: nextProductId++,
    sku,
    name: `Product ${sku}`,
    priceCents: 100,
    currency: 'USD',
    active: true,
    levels: Object.entries(stock).map(([warehouse, available]) => ({
      warehouseId: Number(warehouse),
      warehouse: `w${warehouse}`,
      priority: Number(warehouse),
      available,
    })),
    ...changes,
  };
}

export const bySku = (products: readonly ProductStock[]) => new Map(products.map((each) => [each.sku, each]));

interface Line {
  readonly sku: string;
  readonly quantity: number;
}

/** `w1:2 w2:1`, a text per line. */
export const parcelsOf = (
  lines: readonly {
    readonly allocations: readonly { readonly warehouse: string; readonly quantity: number }[];
  }[],
) =>
  lines.map(({ allocations }) => allocations.map((each) => `${each.warehouse}:${each.quantity}`).join(' '));

interface Unit {
  readonly sku: string;
  readonly warehouse: number;
}

/**
 * The oracle: stock as a heap of single units, requests one after the other, each taking unit by unit with its hands.
 * Slow, and written without a look at the real thing.
 * @returns of each request its parcels, or that it was refused
 */
export function packByHand(
  stock: readonly ProductStock[],
  requests: readonly (readonly Line[])[],
  keepTogether: boolean,
): (string[] | 'refused')[] {
  const heap: Unit[] = [];
  for (const { sku, levels } of stock) {
    for (const { warehouseId, available } of levels) {
      for (let n = 0; n < available; n += 1) heap.push({ sku, warehouse: warehouseId });
    }
  }
  const warehouses = [...new Set(heap.map(({ warehouse }) => warehouse))].toSorted((a, b) => a - b);

  return requests.map((lines): string[] | 'refused' => {
    const shelf = [...heap];
    const pull = (sku: string, from: readonly number[]): Unit | undefined => {
      for (const warehouse of from) {
        const index = shelf.findIndex((unit) => unit.sku === sku && unit.warehouse === warehouse);
        if (index !== -1) return shelf.splice(index, 1)[0];
      }
      return undefined;
    };
    const canPullAll = (wanted: readonly string[], warehouse: number) => {
      const tray = shelf.filter((unit) => unit.warehouse === warehouse).map(({ sku }) => sku);
      return wanted.every((sku) => {
        const index = tray.indexOf(sku);
        if (index !== -1) tray.splice(index, 1);
        return index !== -1;
      });
    };
    const unitsOf = (line: Line) => Array.from({ length: line.quantity }, () => line.sku);
    const one = keepTogether
      ? warehouses.find((each) => canPullAll(lines.flatMap(unitsOf), each))
      : undefined;
    const answer: string[] = [];
    for (const line of lines) {
      const whole = keepTogether ? warehouses.find((each) => canPullAll(unitsOf(line), each)) : undefined;
      const best = one ?? whole;
      const pulled = unitsOf(line).map((sku) => pull(sku, best === undefined ? warehouses : [best]));
      if (pulled.includes(undefined)) return 'refused';
      const counts = Map.groupBy(pulled as Unit[], ({ warehouse }) => warehouse);
      answer.push([...counts].map(([warehouse, units]) => `w${warehouse}:${units.length}`).join(' '));
    }
    heap.splice(0, heap.length, ...shelf);
    return answer;
  });
}

/** What the properties are about: a few products in three warehouses. */
export const SKUS = ['A', 'B', 'C'];

export const anyStock = fc
  .tuple(...SKUS.map(() => fc.tuple(fc.nat(6), fc.nat(6), fc.nat(6))))
  .map((rows) =>
    rows.map(([one, two, three], index) => product(SKUS[index] as string, { 1: one, 2: two, 3: three })),
  );

export const anyLines = (skus: readonly string[]) =>
  fc.array(fc.record({ sku: fc.constantFrom(...skus), quantity: fc.integer({ min: 1, max: 6 }) }), {
    minLength: 1,
    maxLength: 4,
  });
