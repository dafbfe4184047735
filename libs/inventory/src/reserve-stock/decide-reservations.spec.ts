import fc from 'fast-check';

import { DomainError, ValidationFailed } from '@daybook/platform';

import {
  anyLines,
  anyStock,
  bySku,
  packByHand,
  parcelsOf,
  product,
  SKUS,
} from '../../../../test/support/packing.js';
import {
  AllocateByPriority,
  AllocateFewestParcels,
  type AllocationStrategy,
} from '../allocation/allocation-strategy.js';
import type { ProductStock } from '../allocation/stock-ledger.js';
import { InsufficientStock, ProductInactive } from '../inventory.errors.js';
import type { ReservationLine } from '../reservation.js';
import { decideReservations } from './decide-reservations.js';

type Decision = readonly ReservationLine[] | DomainError;

const fewestParcels = new AllocateFewestParcels();
const byPriority = new AllocateByPriority();

const lines = (...quantities: [sku: string, quantity: number][]) =>
  quantities.map(([sku, quantity]) => ({ sku, quantity }));

function decide(
  products: readonly ProductStock[],
  requests: Parameters<typeof decideReservations>[0],
  strategy: AllocationStrategy = fewestParcels,
): Decision[] {
  return decideReservations(requests, bySku(products), strategy);
}

const isHeld = (decision: Decision | undefined): decision is readonly ReservationLine[] =>
  decision !== undefined && !(decision instanceof DomainError);
const parcels = (decision: Decision | undefined) => (isHeld(decision) ? parcelsOf(decision) : 'refused');

describe('a reservation', () => {
  it('has the id of each product and the warehouses that hold it, and nothing that may change until it is ordered', () => {
    const [tea, cup] = [product('TEA', { 1: 5 }), product('CUP', { 1: 1 })] as const;
    expect(decide([tea, cup], [lines(['CUP', 1], ['TEA', 2])])).toEqual([
      [
        {
          productId: cup.productId,
          sku: 'CUP',
          quantity: 1,
          allocations: [{ warehouseId: 1, warehouse: 'w1', quantity: 1 }],
        },
        {
          productId: tea.productId,
          sku: 'TEA',
          quantity: 2,
          allocations: [{ warehouseId: 1, warehouse: 'w1', quantity: 2 }],
        },
      ],
    ]);
  });

  it('may take the very last unit, over two lines of a product', () => {
    expect(decide([product('TEA', { 1: 3 })], [lines(['TEA', 1], ['TEA', 2])]).map(parcels)).toEqual([
      ['w1:1', 'w1:2'],
    ]);
  });

  it.each([
    ['fewest parcels', fewestParcels, ['w2:3']],
    ['by priority', byPriority, ['w1:1 w2:2']],
  ])('is spread over warehouses as the strategy says: %s', (_, strategy, expected) => {
    const decisions = decide([product('TEA', { 1: 1, 2: 3 })], [lines(['TEA', 3])], strategy);
    expect(decisions.map(parcels)).toEqual([expected]);
  });

  it('is refused as a whole when one line is short, and takes nothing from the next one', () => {
    const products = [product('TEA', { 1: 5 }), product('CUP', { 1: 0 })];
    const decisions = decide(products, [lines(['TEA', 5], ['CUP', 1]), lines(['TEA', 5])]);
    expect(decisions[0]).toBeInstanceOf(InsufficientStock);
    expect(decisions[0]).toMatchObject({ details: { lines: [{ sku: 'CUP', requested: 1, available: 0 }] } });
    expect(isHeld(decisions[1])).toBe(true);
  });

  it('is refused when it could not be ordered: unknown, inactive or of several currencies', () => {
    const tea = product('TEA', { 1: 9 });
    const products = [
      tea,
      product('OLD', { 1: 9 }, { active: false }),
      product('TEE', { 1: 9 }, { currency: 'EUR' }),
    ];
    const requests = [lines(['TEA', 1], ['NO', 1]), lines(['OLD', 1]), lines(['TEA', 1], ['TEE', 1])];
    const [unknown, inactive, mixed] = decide(products, requests);
    expect(unknown).toBeInstanceOf(ValidationFailed);
    expect(unknown).toMatchObject({ errors: [{ path: 'lines[1].sku' }] });
    expect(inactive).toBeInstanceOf(ProductInactive);
    expect(mixed).toMatchObject({ errors: [{ path: 'lines[1].sku' }] });
  });
});

describe('a batch', () => {
  it('is decided in order of arrival: a smaller wish may still fit in', () => {
    const requests = [2, 2, 1, 1].map((quantity) => lines(['TEA', quantity]));
    const decisions = decide([product('TEA', { 1: 3 })], requests);
    expect(decisions.map(isHeld)).toEqual([true, false, true, false]);
  });

  it('without requests has no decisions', () => {
    expect(decide([product('TEA', { 1: 3 })], [])).toEqual([]);
  });
});

describe.each([
  ['fewest parcels', fewestParcels, true],
  ['by priority', byPriority, false],
])('any batch against any stock (%s)', (_, strategy, keepTogether) => {
  const anyBatch = fc.array(anyLines(SKUS), { maxLength: 8 });

  it('is decided as if the wishes came one after the other and were packed unit by unit', () => {
    fc.assert(
      fc.property(anyStock, anyBatch, (stock, requests) => {
        const decisions = decide(stock, requests, strategy);
        expect(decisions.map(parcels)).toEqual(packByHand(stock, requests, keepTogether));
      }),
      { numRuns: 300 },
    );
  });

  it('gives each line what it asked for, and changes nothing it was given', () => {
    fc.assert(
      fc.property(anyStock, anyBatch, (stock, requests) => {
        const before = structuredClone({ stock, requests });
        for (const [index, decision] of decide(stock, requests, strategy).entries()) {
          if (!isHeld(decision)) continue;
          expect(decision.map(({ sku, quantity }) => ({ sku, quantity }))).toEqual(requests[index]);
          const sums = decision.map(({ allocations }) =>
            allocations.reduce((sum, each) => sum + each.quantity, 0),
          );
          expect(sums).toEqual(requests[index]?.map(({ quantity }) => quantity));
        }
        expect({ stock, requests }).toEqual(before);
      }),
    );
  });
});
