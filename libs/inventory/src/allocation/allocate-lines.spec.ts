import { ValidationFailed } from '@daybook/platform';

import { bySku, product } from '../../../../test/support/packing.js';
import { InsufficientStock, ProductInactive } from '../inventory.errors.js';
import { allocateLines, findProducts, type WantedProduct } from './allocate-lines.js';
import { AllocateFewestParcels } from './allocation-strategy.js';
import { StockLedger } from './stock-ledger.js';

const tea = product('TEA', { 1: 5 });
const cup = product('CUP', { 1: 2, 2: 3 });
const old = product('OLD', { 1: 9 }, { active: false });
const euro = product('TEE', { 1: 9 }, { currency: 'EUR' });
const products = bySku([tea, cup, old, euro]);

const find = (...lines: [sku: string, quantity: number][]) =>
  findProducts(
    lines.map(([sku, quantity]) => ({ sku, quantity })),
    products,
  );

describe('the products of the lines', () => {
  it('are as they are sold now, line by line, also when two lines name one', () => {
    expect(find(['CUP', 2], ['TEA', 1], ['CUP', 3])).toEqual([
      { ...cup, quantity: 2 },
      { ...tea, quantity: 1 },
      { ...cup, quantity: 3 },
    ]);
  });

  it('are told apart by the case of their SKU', () => {
    expect(find(['tea', 1])).toMatchObject({ errors: [{ path: 'lines[0].sku' }] });
  });

  it('may be of any one currency', () => {
    expect(find(['TEE', 1], ['TEE', 2])).toHaveLength(2);
  });

  it('that are unknown are all named, before anything else is complained about', () => {
    const refusal = find(['NO', 1], ['OLD', 1], ['NEVER', 1], ['TEE', 1]);
    expect(refusal).toBeInstanceOf(ValidationFailed);
    expect(refusal).toMatchObject({
      errors: [
        { path: 'lines[0].sku', message: 'is no known product: NO' },
        { path: 'lines[2].sku', message: 'is no known product: NEVER' },
      ],
    });
  });

  it('that are not for sale are refused, before their currencies are compared', () => {
    const refusal = find(['TEA', 1], ['TEE', 1], ['OLD', 1]);
    expect(refusal).toBeInstanceOf(ProductInactive);
    expect(refusal).toMatchObject({ details: { sku: 'OLD' } });
  });

  it('in another currency than the first are refused by the first line that differs', () => {
    const message = 'is priced in EUR, the first line in USD';
    expect(find(['TEA', 1], ['CUP', 1], ['TEE', 1], ['TEE', 1])).toMatchObject({
      errors: [{ path: 'lines[2].sku', message }],
    });
  });
});

describe('allocating lines', () => {
  const strategy = new AllocateFewestParcels();
  const wanted = (...lines: [sku: string, quantity: number][]) => find(...lines) as WantedProduct[];

  it('takes from the ledger what it gives to each line', () => {
    const ledger = new StockLedger([tea, cup]);
    const allocations = allocateLines(wanted(['TEA', 2], ['CUP', 3]), ledger, strategy);
    expect(allocations).toEqual([
      [{ warehouseId: 1, warehouse: 'w1', quantity: 2 }],
      [{ warehouseId: 2, warehouse: 'w2', quantity: 3 }],
    ]);
    expect([tea, cup].map(({ productId }) => ledger.availableOf(productId))).toEqual([3, 2]);
  });

  it('takes nothing when any product is short, and names each of them with the sum of its lines', () => {
    const ledger = new StockLedger([tea, cup]);
    const refusal = allocateLines(wanted(['CUP', 3], ['TEA', 6], ['CUP', 3]), ledger, strategy);
    expect(refusal).toBeInstanceOf(InsufficientStock);
    expect(refusal).toMatchObject({
      details: {
        lines: [
          { sku: 'CUP', requested: 6, available: 5 },
          { sku: 'TEA', requested: 6, available: 5 },
        ],
      },
    });
    expect([tea, cup].map(({ productId }) => ledger.availableOf(productId))).toEqual([5, 5]);
  });
});
