import fc from 'fast-check';

import { type AvailableLevel, type ProductStock, StockLedger } from './stock-ledger.js';

const level = (warehouseId: number, available: number, priority = warehouseId): AvailableLevel => ({
  warehouseId,
  warehouse: `w${warehouseId}`,
  priority,
  available,
});

const product = (productId: number, ...levels: AvailableLevel[]): ProductStock => ({
  productId,
  sku: `P${productId}`,
  name: `Product ${productId}`,
  priceCents: 100,
  currency: 'USD',
  active: true,
  levels,
});

const line = (productId: number, quantity: number) => ({ productId, sku: `P${productId}`, quantity });

describe('levels', () => {
  it('are ranked by priority, lowest first, and equal priorities by warehouse', () => {
    const ledger = new StockLedger([
      product(1, level(3, 1, 50), level(2, 1, 70), level(1, 1, 70), level(4, 1, -1)),
    ]);
    expect(ledger.levelsOf(1).map(({ warehouseId }) => warehouseId)).toEqual([4, 3, 1, 2]);
  });

  it('of an unknown product are none, and nothing of it is available', () => {
    const ledger = new StockLedger([product(1, level(1, 5))]);
    expect(ledger.levelsOf(2)).toEqual([]);
    expect(ledger.availableOf(2)).toBe(0);
  });

  it('add up over all warehouses; one that is overdrawn does not lessen the others', () => {
    const ledger = new StockLedger([product(1, level(1, 5), level(2, -3), level(3, 4))]);
    expect(ledger.availableOf(1)).toBe(9);
  });
});

describe('short lines', () => {
  const ledger = new StockLedger([product(1, level(1, 3), level(2, 2)), product(2, level(1, 1))]);

  it('are none when the stock of all warehouses together suffices', () => {
    expect(ledger.findShortLines([line(1, 5), line(2, 1)])).toEqual([]);
  });

  it('are found by the sum over all lines of a product, and reported once per product', () => {
    expect(ledger.findShortLines([line(1, 3), line(2, 1), line(1, 3)])).toEqual([
      { sku: 'P1', requested: 6, available: 5 },
    ]);
  });

  it('name every product that is short, in the order of the lines', () => {
    expect(ledger.findShortLines([line(2, 2), line(3, 1), line(1, 6)])).toEqual([
      { sku: 'P2', requested: 2, available: 1 },
      { sku: 'P3', requested: 1, available: 0 },
      { sku: 'P1', requested: 6, available: 5 },
    ]);
  });
});

describe('taking and giving back', () => {
  it('changes the level it names and no other', () => {
    const ledger = new StockLedger([product(1, level(1, 3), level(2, 2)), product(2, level(1, 3))]);
    ledger.take(1, 1, 2);
    expect([1, 2].map((id) => ledger.levelsOf(id).map(({ available }) => available))).toEqual([[1, 2], [3]]);
    ledger.giveBack(1, 2, 7);
    expect([1, 2].map((id) => ledger.levelsOf(id).map(({ available }) => available))).toEqual([[1, 9], [3]]);
  });

  it('leaves what it was made from as it was', () => {
    const stock = product(1, level(2, 3), level(1, 2));
    const before = structuredClone(stock);
    new StockLedger([stock]).take(1, 2, 3);
    expect(stock).toEqual(before);
  });

  it.each([
    ['more than a warehouse has', 1, 1, 4],
    ['from a warehouse without the product', 1, 9, 1],
    ['an unknown product', 9, 1, 1],
  ])('refuses to take %s, and takes nothing', (_, productId, warehouseId, quantity) => {
    const ledger = new StockLedger([product(1, level(1, 3))]);
    expect(() => ledger.take(productId, warehouseId, quantity)).toThrow(RangeError);
    expect(ledger.availableOf(1)).toBe(3);
  });

  it('refuses to give back what no warehouse holds', () => {
    const ledger = new StockLedger([product(1, level(1, 3))]);
    expect(() => ledger.giveBack(1, 2, 1)).toThrow(RangeError);
    expect(() => ledger.giveBack(2, 1, 1)).toThrow(RangeError);
  });

  it('in any order never goes below zero and keeps the books: what is left is what was, less taken, plus returned', () => {
    const anyStep = fc.record({
      give: fc.boolean(),
      warehouseId: fc.integer({ min: 1, max: 3 }),
      quantity: fc.nat(5),
    });
    fc.assert(
      fc.property(fc.array(fc.nat(9), { minLength: 3, maxLength: 3 }), fc.array(anyStep), (start, steps) => {
        const ledger = new StockLedger([
          product(1, ...start.map((available, index) => level(index + 1, available))),
        ]);
        const books = [...start];
        for (const { give, warehouseId, quantity } of steps) {
          const left = books[warehouseId - 1] as number;
          if (give) ledger.giveBack(1, warehouseId, quantity);
          else if (quantity > left) expect(() => ledger.take(1, warehouseId, quantity)).toThrow(RangeError);
          else ledger.take(1, warehouseId, quantity);
          if (give || quantity <= left) books[warehouseId - 1] = left + (give ? quantity : -quantity);
        }
        expect(ledger.levelsOf(1).map(({ available }) => available)).toEqual(books);
      }),
    );
  });
});
