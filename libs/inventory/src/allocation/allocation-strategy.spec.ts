import fc from 'fast-check';

import {
  type Allocation,
  AllocateByPriority,
  AllocateFewestParcels,
  type AllocationStrategy,
  type Demand,
} from './allocation-strategy.js';
import { type ProductStock, StockLedger } from './stock-ledger.js';

/** Stock by product, then by warehouse; the warehouses' priorities are their numbers, 1 is the best. */
type Stock = Record<number, Record<number, number>>;

function toProducts(stock: Stock): ProductStock[] {
  return Object.entries(stock).map(([productId, levels]) => ({
    productId: Number(productId),
    sku: `P${productId}`,
    name: `Product ${productId}`,
    priceCents: 100,
    currency: 'USD',
    active: true,
    levels: Object.entries(levels).map(([warehouse, available]) => ({
      warehouseId: Number(warehouse),
      warehouse: `w${warehouse}`,
      priority: Number(warehouse),
      available,
    })),
  }));
}

/** Allocates `[product, quantity]` demands; the answer reads `['w1:3', 'w1:1 w2:2']`, a text per line. */
function allocate(strategy: AllocationStrategy, stock: Stock, ...demands: [number, number][]): string[] {
  const wanted = demands.map(([productId, quantity]) => ({ productId, quantity }));
  return strategy.allocate(wanted, new StockLedger(toProducts(stock))).map(show);
}

const show = (allocations: readonly Allocation[]) =>
  allocations.map(({ warehouse, quantity }) => `${warehouse}:${quantity}`).join(' ');

describe('by priority', () => {
  const strategy = new AllocateByPriority();

  it('takes everything from the best warehouse while it lasts', () => {
    expect(allocate(strategy, { 1: { 1: 5, 2: 9 } }, [1, 5])).toEqual(['w1:5']);
  });

  it('goes on with the next warehouse where the best one ends, even if the next one had it all', () => {
    expect(allocate(strategy, { 1: { 1: 2, 2: 9 } }, [1, 5])).toEqual(['w1:2 w2:3']);
  });

  it('skips warehouses that have nothing', () => {
    expect(allocate(strategy, { 1: { 1: 0, 2: 1, 3: 0, 4: 9 } }, [1, 3])).toEqual(['w2:1 w4:2']);
  });

  it('lets a second line of the same product see what the first one left', () => {
    expect(allocate(strategy, { 1: { 1: 3, 2: 3 } }, [1, 2], [1, 3])).toEqual(['w1:2', 'w1:1 w2:2']);
  });
});

describe('fewest parcels', () => {
  const strategy = new AllocateFewestParcels();

  it('takes the whole order from the best warehouse that has all of it', () => {
    const stock = { 1: { 1: 9, 2: 9, 3: 9 }, 2: { 1: 0, 2: 2, 3: 9 } };
    expect(allocate(strategy, stock, [1, 3], [2, 2])).toEqual(['w2:3', 'w2:2']);
  });

  it('sums the lines of a product before it says that a warehouse has all of it', () => {
    expect(allocate(strategy, { 1: { 1: 3, 2: 4 } }, [1, 2], [1, 2])).toEqual(['w2:2', 'w2:2']);
  });

  it('finds each line a warehouse that has the whole line when none has the whole order', () => {
    const stock = { 1: { 1: 1, 2: 5 }, 2: { 1: 5 } };
    expect(allocate(strategy, stock, [1, 3], [2, 3])).toEqual(['w2:3', 'w1:3']);
  });

  it('splits a line by priority only when no warehouse has the whole line', () => {
    expect(allocate(strategy, { 1: { 1: 2, 2: 3, 3: 1 } }, [1, 6])).toEqual(['w1:2 w2:3 w3:1']);
  });

  it('prefers the better warehouse among those that have the whole line', () => {
    const stock = { 1: { 1: 9, 2: 9 }, 2: { 3: 1 } };
    expect(allocate(strategy, stock, [1, 3], [2, 1])).toEqual(['w1:3', 'w3:1']);
  });

  it('allocates nothing to an order without lines', () => {
    expect(allocate(strategy, { 1: { 1: 1 } })).toEqual([]);
  });
});

describe.each([
  ['by priority', new AllocateByPriority()],
  ['into the fewest parcels', new AllocateFewestParcels()],
])('any order, allocated %s,', (_, strategy) => {
  const warehouses = [1, 2, 3];
  const anyStock = fc.array(fc.array(fc.nat(6), { minLength: 3, maxLength: 3 }), {
    minLength: 2,
    maxLength: 2,
  });
  const anyDemands = fc.array(
    fc.record({ productId: fc.integer({ min: 1, max: 2 }), quantity: fc.integer({ min: 1, max: 6 }) }),
    {
      minLength: 1,
      maxLength: 4,
    },
  );

  /** Runs a case whose stock suffices; an insufficient one is topped up in the last warehouse. */
  function run(rows: readonly (readonly number[])[], demands: readonly Demand[]) {
    const stock: Stock = {};
    rows.forEach((row, index) => {
      const productId = index + 1;
      const wanted = demands
        .filter((demand) => demand.productId === productId)
        .reduce((sum, d) => sum + d.quantity, 0);
      const missing = Math.max(0, wanted - row.reduce((sum, available) => sum + available, 0));
      stock[productId] = Object.fromEntries(
        row.map((available, place) => [place + 1, available + (place === 2 ? missing : 0)]),
      );
    });
    const ledger = new StockLedger(toProducts(stock));
    return { stock, ledger, allocations: strategy.allocate(demands, ledger) };
  }

  it('gets what it asked for, line by line, from warehouses that have it, and the ledger is less by just that', () => {
    fc.assert(
      fc.property(anyStock, anyDemands, (rows, demands) => {
        const { stock, ledger, allocations } = run(rows, demands);
        expect(allocations.map((line) => line.reduce((sum, { quantity }) => sum + quantity, 0))).toEqual(
          demands.map(({ quantity }) => quantity),
        );
        expect(allocations.flat().every(({ quantity }) => quantity > 0)).toBe(true);
        for (const productId of [1, 2]) {
          for (const warehouseId of warehouses) {
            const taken = allocations
              .filter((__, index) => demands[index]?.productId === productId)
              .flat()
              .filter((allocation) => allocation.warehouseId === warehouseId)
              .reduce((sum, { quantity }) => sum + quantity, 0);
            const left = ledger
              .levelsOf(productId)
              .find((level) => level.warehouseId === warehouseId)?.available;
            expect(left).toBe((stock[productId]?.[warehouseId] as number) - taken);
            expect(left).toBeGreaterThanOrEqual(0);
          }
        }
      }),
    );
  });

  it('is refused rather than filled from nothing when the caller was wrong and the stock does not suffice', () => {
    expect(() => allocate(strategy, { 1: { 1: 1, 2: 1 } }, [1, 3])).toThrow(RangeError);
  });

  it('gets no line from one warehouse twice', () => {
    fc.assert(
      fc.property(anyStock, anyDemands, (rows, demands) => {
        for (const line of run(rows, demands).allocations) {
          expect(new Set(line.map(({ warehouseId }) => warehouseId)).size).toBe(line.length);
        }
      }),
    );
  });
});

it('fewest parcels sends a single parcel whenever one warehouse has the whole order, however low its rank', () => {
  const anyCase = fc.array(fc.tuple(fc.nat(6), fc.nat(6)), { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(anyCase, (levels) => {
      // The worst warehouse has everything.
      const stock: Stock = Object.fromEntries(
        levels.map(([one, two], index) => [index + 1, { 1: one, 2: two, 9: 6 }]),
      );
      const demands = levels.map((__, index): [number, number] => [index + 1, 6]);
      const parcels = new Set(
        allocate(new AllocateFewestParcels(), stock, ...demands)
          .join(' ')
          .match(/w\d/g),
      );
      expect(parcels.size).toBe(1);
    }),
  );
});

describe('the example of docs/warehouses.md', () => {
  const [cups, pots] = [1, 2];
  const stock = { [cups]: { 1: 5, 2: 3 }, [pots]: { 1: 1, 2: 3 } };

  it.each<[demands: [number, number][], fewestParcels: string[], byPriority: string[]]>([
    [
      [
        [cups, 2],
        [pots, 2],
      ],
      ['w2:2', 'w2:2'],
      ['w1:2', 'w1:1 w2:1'],
    ],
    [
      [
        [cups, 4],
        [pots, 2],
      ],
      ['w1:4', 'w2:2'],
      ['w1:4', 'w1:1 w2:1'],
    ],
    [[[cups, 7]], ['w1:5 w2:2'], ['w1:5 w2:2']],
  ])('is true for %j', (demands, fewestParcels, byPriority) => {
    expect(allocate(new AllocateFewestParcels(), stock, ...demands)).toEqual(fewestParcels);
    expect(allocate(new AllocateByPriority(), stock, ...demands)).toEqual(byPriority);
  });
});
