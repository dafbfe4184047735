import fc from 'fast-check';

import {
  AllocateByPriority,
  AllocateFewestParcels,
  type AllocationStrategy,
  InsufficientStock,
  ProductInactive,
  type ProductStock,
} from '@daybook/inventory';
import { ValidationFailed } from '@daybook/platform';

import {
  anyLines,
  anyStock,
  bySku,
  packByHand,
  parcelsOf,
  product,
  SKUS,
} from '../../../../test/support/packing.js';
import type { OrderId } from '../order.entity.js';
import { DuplicateClientOrderId } from '../order.errors.js';
import {
  clientOrderName,
  decidePlacement,
  isPlacement,
  NamedTwice,
  type Placement,
  type PlacementDecision,
  type PlacementRequest,
} from './decide-placement.js';

const fewestParcels = new AllocateFewestParcels();
const byPriority = new AllocateByPriority();

const order = (...lines: [sku: string, quantity: number][]): PlacementRequest => ({
  customerId: 'alice',
  lines: lines.map(([sku, quantity]) => ({ sku, quantity })),
});

const named = (
  customerId: string,
  clientOrderId: string,
  ...lines: [string, number][]
): PlacementRequest => ({
  ...order(...lines),
  customerId,
  clientOrderId,
});

function decide(
  products: readonly ProductStock[],
  requests: readonly PlacementRequest[],
  {
    strategy = fewestParcels,
    taken = {},
  }: { strategy?: AllocationStrategy; taken?: Record<string, string> } = {},
): PlacementDecision[] {
  const state = {
    products: bySku(products),
    ordersByName: new Map(Object.entries(taken) as [string, OrderId][]),
    reservations: new Map(),
    now: new Date(0),
  };
  return decidePlacement(requests, state, strategy);
}

function decideOne(products: readonly ProductStock[], request: PlacementRequest): PlacementDecision {
  return decide(products, [request])[0] as PlacementDecision;
}

const isPlaced = (decision: PlacementDecision | undefined): decision is Placement =>
  decision !== undefined && isPlacement(decision);
const parcels = (decision: PlacementDecision | undefined) =>
  isPlaced(decision) ? parcelsOf(decision.lines) : decision;

describe('an order that can be placed', () => {
  it('has the name, price and id of each product, its total and its allocations', () => {
    const tea = product('TEA', { 1: 5 }, { priceCents: 1250, name: 'Earl Grey' });
    const cup = product('CUP', { 1: 1 }, { priceCents: 1 });
    expect(decideOne([tea, cup], order(['TEA', 2], ['CUP', 1]))).toEqual({
      currency: 'USD',
      totalCents: 2501,
      lines: [
        {
          productId: tea.productId,
          sku: 'TEA',
          name: 'Earl Grey',
          quantity: 2,
          unitPriceCents: 1250,
          allocations: [{ warehouseId: 1, warehouse: 'w1', quantity: 2 }],
        },
        {
          productId: cup.productId,
          sku: 'CUP',
          name: 'Product CUP',
          quantity: 1,
          unitPriceCents: 1,
          allocations: [{ warehouseId: 1, warehouse: 'w1', quantity: 1 }],
        },
      ],
    });
  });

  it('may take the very last unit', () => {
    expect(decideOne([product('TEA', { 1: 2 })], order(['TEA', 2]))).toMatchObject({ totalCents: 200 });
  });

  it('may name a product on several lines; they stay lines of their own', () => {
    const decision = decideOne([product('TEA', { 1: 3 })], order(['TEA', 1], ['TEA', 2]));
    expect(decision).toMatchObject({ totalCents: 300, lines: [{ quantity: 1 }, { quantity: 2 }] });
  });

  it('may cost nothing', () => {
    const decision = decideOne([product('GIFT', { 1: 1 }, { priceCents: 0 })], order(['GIFT', 1]));
    expect(decision).toMatchObject({ totalCents: 0 });
  });

  it('is priced in the currency of its products', () => {
    const decision = decideOne([product('TEE', { 1: 1 }, { currency: 'EUR' })], order(['TEE', 1]));
    expect(decision).toMatchObject({ currency: 'EUR' });
  });

  it('comes from a single warehouse if one has all of it, even where a better one has a part', () => {
    const products = [product('TEA', { 1: 1, 2: 3 }), product('CUP', { 1: 9, 2: 1 })];
    expect(parcels(decideOne(products, order(['TEA', 2], ['CUP', 1])))).toEqual(['w2:2', 'w2:1']);
  });

  it('is split as the configured strategy says', () => {
    const decisions = decide([product('TEA', { 1: 1, 2: 3 })], [order(['TEA', 2])], { strategy: byPriority });
    expect(decisions.map(parcels)).toEqual([['w1:1 w2:1']]);
  });
});

describe('an order that cannot be placed', () => {
  it('names every unknown SKU by its path', () => {
    const decision = decideOne([product('TEA', { 1: 9 })], order(['NO', 1], ['TEA', 1], ['NEVER', 1]));
    expect(decision).toBeInstanceOf(ValidationFailed);
    expect(decision).toMatchObject({
      errors: [
        { path: 'lines[0].sku', message: 'is no known product: NO' },
        { path: 'lines[2].sku', message: 'is no known product: NEVER' },
      ],
    });
  });

  it('names a product that is not for sale, however much there is of it', () => {
    const products = [product('TEA', { 1: 9 }), product('OLD', { 1: 9 }, { active: false })];
    const decision = decideOne(products, order(['TEA', 1], ['OLD', 1]));
    expect(decision).toBeInstanceOf(ProductInactive);
    expect(decision).toMatchObject({ details: { sku: 'OLD' } });
  });

  it('names the first line in another currency than the order', () => {
    const euro = product('TEE', { 1: 9 }, { currency: 'EUR' });
    const decision = decideOne([product('TEA', { 1: 9 }), euro], order(['TEA', 1], ['TEA', 1], ['TEE', 1]));
    expect(decision).toMatchObject({
      code: 'validation_failed',
      errors: [{ path: 'lines[2].sku', message: 'is priced in EUR, the first line in USD' }],
    });
  });

  it('says of every product that is short how much was asked for and how much there is', () => {
    const products = [product('TEA', { 1: 2, 2: 3 }), product('CUP', { 1: 0 }), product('POT', { 1: 1 })];
    const decision = decideOne(products, order(['TEA', 3], ['CUP', 1], ['POT', 1], ['TEA', 3]));
    expect(decision).toBeInstanceOf(InsufficientStock);
    expect(decision).toMatchObject({
      details: {
        lines: [
          { sku: 'TEA', requested: 6, available: 5 },
          { sku: 'CUP', requested: 1, available: 0 },
        ],
      },
    });
  });

  it('is refused when its total is too large for a number to hold exactly', () => {
    const dear = product('DEAR', { 1: 10_000_000 }, { priceCents: 9_999_999_999 });
    const decision = decideOne([dear], order(['DEAR', 1_000_000]));
    expect(decision).toMatchObject({ code: 'validation_failed', errors: [{ path: 'lines' }] });
  });

  it('leaves all the stock it would have taken to the next one', () => {
    const products = [product('TEA', { 1: 5 }), product('CUP', { 1: 0 })];
    const decisions = decide(products, [order(['TEA', 5], ['CUP', 1]), order(['TEA', 5])]);
    expect(decisions.map(isPlaced)).toEqual([false, true]);
  });
});

describe('a batch', () => {
  it('is decided in order of arrival: the first comers get the stock, a smaller order may still fit in', () => {
    const requests = [order(['TEA', 2]), order(['TEA', 2]), order(['TEA', 1]), order(['TEA', 1])];
    const decisions = decide([product('TEA', { 1: 3 })], requests);
    expect(decisions.map(isPlaced)).toEqual([true, false, true, false]);
    expect(decisions[1]).toMatchObject({ details: { lines: [{ sku: 'TEA', requested: 2, available: 1 }] } });
  });

  it('without requests has no decisions', () => {
    expect(decide([product('TEA', { 1: 3 })], [])).toEqual([]);
  });
});

describe('a customer’s own name for an order', () => {
  const tea = () => [product('TEA', { 1: 9 })];

  it('that belongs to an order already is refused with that order’s number', () => {
    const taken = { [clientOrderName('alice', 'cart-1')]: '20261120-00007' };
    const [decision] = decide(tea(), [named('alice', 'cart-1', ['TEA', 1])], { taken });
    expect(decision).toBeInstanceOf(DuplicateClientOrderId);
    expect(decision).toMatchObject({ details: { clientOrderId: 'cart-1', orderId: '20261120-00007' } });
  });

  it('is told apart by customer', () => {
    const taken = { [clientOrderName('alice', 'cart-1')]: '20261120-00007' };
    const requests = [named('bob', 'cart-1', ['TEA', 1]), named('alice', 'cart-2', ['TEA', 1])];
    expect(decide(tea(), requests, { taken }).map(isPlaced)).toEqual([true, true]);
  });

  it('given twice in one batch belongs to the first; the second points at it and takes no stock', () => {
    const requests = [
      order(['TEA', 1]),
      named('alice', 'cart-1', ['TEA', 4]),
      named('alice', 'cart-1', ['TEA', 4]),
    ];
    const decisions = decide([product('TEA', { 1: 9 })], [...requests, order(['TEA', 4])]);
    expect(decisions.map(isPlaced)).toEqual([true, true, false, true]);
    expect(decisions[2]).toEqual(new NamedTwice(1));
  });

  it('is still free when the order that bore it was refused', () => {
    const requests = [named('alice', 'cart-1', ['TEA', 10]), named('alice', 'cart-1', ['TEA', 9])];
    expect(decide(tea(), requests).map(isPlaced)).toEqual([false, true]);
  });
});

const anyOrders = (skus: readonly string[], maxLength: number) =>
  fc.array(
    anyLines(skus).map((lines) => ({ customerId: 'alice', lines })),
    { maxLength },
  );

describe.each([
  ['fewest parcels', fewestParcels, true],
  ['by priority', byPriority, false],
])('any batch against any stock (%s)', (_, strategy, keepTogether) => {
  it('is decided as if the orders came one after the other and were packed unit by unit', () => {
    fc.assert(
      fc.property(anyStock, anyOrders(SKUS, 8), (stock, requests) => {
        const decisions = decide(stock, requests, { strategy });
        const answers = decisions.map((decision) => (isPlaced(decision) ? parcels(decision) : 'refused'));
        expect(answers).toEqual(
          packByHand(
            stock,
            requests.map(({ lines }) => lines),
            keepTogether,
          ),
        );
      }),
      { numRuns: 300 },
    );
  });

  it('never takes more than there is, in any warehouse, and gives each line what it asked for', () => {
    fc.assert(
      fc.property(anyStock, anyOrders(SKUS, 8), (stock, requests) => {
        const left = new Map(
          stock.flatMap(({ sku, levels }) => levels.map((l) => [`${sku}@${l.warehouse}`, l.available])),
        );
        decide(stock, requests, { strategy }).forEach((decision, index) => {
          if (!isPlaced(decision)) return;
          expect(decision.lines.map(({ sku, quantity }) => ({ sku, quantity }))).toEqual(
            requests[index]?.lines,
          );
          for (const { sku, quantity, allocations } of decision.lines) {
            expect(allocations.reduce((sum, allocation) => sum + allocation.quantity, 0)).toBe(quantity);
            for (const allocation of allocations) {
              const key = `${sku}@${allocation.warehouse}`;
              left.set(key, (left.get(key) ?? 0) - allocation.quantity);
            }
          }
        });
        expect(Math.min(...left.values())).toBeGreaterThanOrEqual(0);
      }),
    );
  });

  it('refuses an order only when the stock that is left does not suffice', () => {
    fc.assert(
      fc.property(anyStock, anyOrders(SKUS, 8), (stock, requests) => {
        const left = new Map(
          stock.map(({ sku, levels }) => [sku, levels.reduce((sum, l) => sum + l.available, 0)]),
        );
        decide(stock, requests, { strategy }).forEach((decision, index) => {
          const wanted = Map.groupBy(requests[index]?.lines ?? [], ({ sku }) => sku);
          const sums = [...wanted].map(
            ([sku, lines]) => [sku, lines.reduce((sum, l) => sum + l.quantity, 0)] as const,
          );
          expect(isPlaced(decision)).toBe(sums.every(([sku, sum]) => sum <= (left.get(sku) as number)));
          if (isPlaced(decision))
            for (const [sku, sum] of sums) left.set(sku, (left.get(sku) as number) - sum);
        });
      }),
    );
  });

  it('decides orders that share no product alike, however they are interleaved', () => {
    const anyCase = fc.record({
      stock: anyStock,
      ofA: anyOrders(['A'], 5),
      ofBC: anyOrders(['B', 'C'], 5),
      picks: fc.array(fc.boolean(), { minLength: 10, maxLength: 10 }),
    });
    fc.assert(
      fc.property(anyCase, ({ stock, ofA, ofBC, picks }) => {
        const queues = [[...ofA], [...ofBC]];
        const mixed: PlacementRequest[] = [];
        for (const pick of picks) mixed.push(...(queues[Number(pick)] as PlacementRequest[]).splice(0, 1));
        mixed.push(...queues.flat());
        const decisions = new Map(
          decide(stock, mixed, { strategy }).map((decision, index) => [mixed[index], decision]),
        );
        expect(ofA.map((request) => decisions.get(request))).toEqual(decide(stock, ofA, { strategy }));
        expect(ofBC.map((request) => decisions.get(request))).toEqual(decide(stock, ofBC, { strategy }));
      }),
    );
  });

  it('is decided the same way every time, and changes nothing it was given', () => {
    fc.assert(
      fc.property(anyStock, anyOrders(SKUS, 5), (stock, requests) => {
        const before = structuredClone({ stock, requests });
        const first = decide(stock, requests, { strategy });
        expect(decide(stock, requests, { strategy })).toEqual(first);
        expect({ stock, requests }).toEqual(before);
      }),
    );
  });
});
