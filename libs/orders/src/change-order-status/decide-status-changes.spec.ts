import fc from 'fast-check';

import { AllocateFewestParcels, InsufficientStock, type ProductStock } from '@daybook/inventory';
import { DomainError, Forbidden, IllegalTransition, NotFound, VersionConflict } from '@daybook/platform';

import { CLAIMING_STATUSES, ORDER_STATUSES, type OrderStatus, orderStatusMachine } from '../order-status.js';
import type { Order, OrderId, OrderLine } from '../order.entity.js';
import { decideStatusChanges, type StatusChange, type StatusChangeRequest } from './decide-status-changes.js';

const THEN = new Date('2026-11-20T10:00:00.000Z');
const NOW = new Date('2026-11-20T12:00:00.000Z');

/** A line of one product; `parcels` is the quantity by warehouse. */
function line(productId: number, parcels: Record<number, number>): OrderLine {
  const allocations = Object.entries(parcels).map(([warehouse, quantity]) => ({
    warehouseId: Number(warehouse),
    warehouse: `w${warehouse}`,
    quantity,
  }));
  const quantity = allocations.reduce((sum, allocation) => sum + allocation.quantity, 0);
  return {
    productId,
    sku: `P${productId}`,
    name: `Product ${productId}`,
    quantity,
    unitPriceCents: 100,
    allocations,
  };
}

function makeOrder(status: OrderStatus, changes: Partial<Order> = {}): Order {
  return {
    id: '20261120-00001' as OrderId,
    customerId: 'alice',
    clientOrderId: null,
    status,
    priority: 'normal',
    currency: 'USD',
    totalCents: 300,
    processingTimeMs: null,
    reservationId: null,
    placedAt: THEN,
    updatedAt: THEN,
    version: 4,
    lines: [line(1, { 1: 2, 2: 1 })],
    ...changes,
  };
}

/** The stock of a product by warehouse; a warehouse's priority is its number. */
function product(productId: number, available: Record<number, number>): ProductStock {
  return {
    productId,
    sku: `P${productId}`,
    name: `Product ${productId}`,
    priceCents: 100,
    currency: 'USD',
    active: true,
    levels: Object.entries(available).map(([warehouse, left]) => ({
      warehouseId: Number(warehouse),
      warehouse: `w${warehouse}`,
      priority: Number(warehouse),
      available: left,
    })),
  };
}

const move = (to: OrderStatus, changes: Partial<StatusChangeRequest> = {}): StatusChangeRequest => ({
  orderId: '20261120-00001',
  to,
  ...changes,
});

function decide(
  orders: readonly Order[],
  requests: readonly StatusChangeRequest[],
  products: readonly ProductStock[] = [product(1, { 1: 0, 2: 0 })],
) {
  return decideStatusChanges(
    requests,
    new Map(orders.map((order) => [order.id, order])),
    new Map(products.map((each) => [each.productId, each])),
    new AllocateFewestParcels(),
    NOW,
  );
}

const isChange = (decision: StatusChange | DomainError): decision is StatusChange =>
  !(decision instanceof DomainError);

/** The only decision, which must be an accepted move. */
function changeOf(order: Order, to: OrderStatus, products?: readonly ProductStock[]): StatusChange {
  const [decision] = decide([order], [move(to)], products);
  if (decision === undefined || !isChange(decision)) throw decision ?? new Error('There is no decision');
  return decision;
}

const EDGES = ORDER_STATUSES.flatMap((from) =>
  orderStatusMachine.allowed(from).map((to): [OrderStatus, OrderStatus] => [from, to]),
);
const NO_EDGES = ORDER_STATUSES.flatMap((from) =>
  ORDER_STATUSES.filter((to) => !orderStatusMachine.isAllowed(from, to)).map(
    (to): [OrderStatus, OrderStatus] => [from, to],
  ),
);
const PLENTY = [product(1, { 1: 9, 2: 9 })];

describe('an edge of the state machine', () => {
  it.each(EDGES)(
    'from %s to %s moves the order: next version, new time, everything else as it was',
    (from, to) => {
      const order = makeOrder(from);
      const change = changeOf(order, to, PLENTY);
      const { lines, ...rest } = change.order;
      const { lines: before, ...unmoved } = order;
      expect(change.from).toBe(from);
      expect(rest).toEqual({ ...unmoved, status: to, version: 5, updatedAt: NOW });
      expect(lines.map(({ allocations: _, ...item }) => item)).toEqual(
        before.map(({ allocations: _, ...item }) => item),
      );
    },
  );

  it('is judged without changing the order it was given', () => {
    const order = makeOrder('failed');
    const before = structuredClone(order);
    changeOf(order, 'pending', PLENTY);
    expect(order).toEqual(before);
  });
});

describe('what is no edge', () => {
  it.each(NO_EDGES)('from %s to %s is refused with what is possible instead', (from, to) => {
    const [decision] = decide([makeOrder(from)], [move(to)], PLENTY);
    expect(decision).toBeInstanceOf(IllegalTransition);
    expect(decision).toMatchObject({ details: { from, to, allowed: orderStatusMachine.allowed(from) } });
  });
});

describe('the stock of an order', () => {
  it.each<[OrderStatus, OrderStatus]>([
    ['pending', 'processing'],
    ['processing', 'confirmed'],
    ['processing', 'pending'],
    ['shipped', 'delivered'],
  ])('is not touched from %s to %s', (from, to) => {
    expect(changeOf(makeOrder(from), to)).toMatchObject({
      stockChanges: [],
      movements: [],
      isAllocatedAnew: false,
    });
  });

  it.each<[OrderStatus, OrderStatus]>([
    ['pending', 'cancelled'],
    ['confirmed', 'cancelled'],
    ['processing', 'failed'],
  ])(
    'is given back from %s to %s: every warehouse gets what it had allocated, and nothing moves',
    (from, to) => {
      const change = changeOf(makeOrder(from), to);
      expect(change.stockChanges).toEqual([
        { productId: 1, warehouseId: 1, quantity: 2, allocatedDelta: -2 },
        { productId: 1, warehouseId: 2, quantity: 1, allocatedDelta: -1 },
      ]);
      expect(change.movements).toEqual([]);
      expect(change.isAllocatedAnew).toBe(false);
    },
  );

  it('leaves the house when it is shipped: on hand and allocated both fall, and each parcel is a movement', () => {
    const change = changeOf(makeOrder('confirmed'), 'shipped');
    expect(change.stockChanges).toMatchObject([
      { productId: 1, warehouseId: 1, allocatedDelta: -2, onHandDelta: -2 },
      { productId: 1, warehouseId: 2, allocatedDelta: -1, onHandDelta: -1 },
    ]);
    const shipped = { productId: 1, kind: 'shipped', reason: 'order 20261120-00001' };
    expect(change.movements).toEqual([
      { ...shipped, warehouseId: 1, quantityDelta: -2 },
      { ...shipped, warehouseId: 2, quantityDelta: -1 },
    ]);
  });
});

describe('a failed order that is redriven', () => {
  it('gets stock anew, wherever it is now', () => {
    const change = changeOf(makeOrder('failed'), 'pending', [product(1, { 1: 1, 2: 0, 3: 5 })]);
    expect(change.isAllocatedAnew).toBe(true);
    expect(change.order.lines[0]?.allocations).toEqual([{ warehouseId: 3, warehouse: 'w3', quantity: 3 }]);
    expect(change.stockChanges).toMatchObject([{ productId: 1, warehouseId: 3, allocatedDelta: 3 }]);
    expect(change.movements).toEqual([]);
  });

  it('stays failed when the stock does not suffice any more', () => {
    const [decision] = decide([makeOrder('failed')], [move('pending')], [product(1, { 1: 1, 2: 1 })]);
    expect(decision).toBeInstanceOf(InsufficientStock);
    expect(decision).toMatchObject({ details: { lines: [{ sku: 'P1', requested: 3, available: 2 }] } });
  });

  it('may use what a cancelled order of the same batch gave back, and not what another one took', () => {
    const waiting = makeOrder('failed');
    const rival = makeOrder('failed', { id: '20261120-00003' as OrderId });
    const holder = makeOrder('pending', { id: '20261120-00002' as OrderId });
    const redrives = [move('pending'), move('pending', { orderId: rival.id })];
    const none = [product(1, { 1: 0, 2: 0 })];
    const after = decide(
      [waiting, holder, rival],
      [move('cancelled', { orderId: holder.id }), ...redrives],
      none,
    );
    expect(after.map(isChange)).toEqual([true, true, false]);
    const before = decide(
      [waiting, holder, rival],
      [...redrives, move('cancelled', { orderId: holder.id })],
      none,
    );
    expect(before.map(isChange)).toEqual([false, false, true]);
  });
});

describe('two moves of one order in one batch', () => {
  it('follow each other: the second sees what the first made', () => {
    const decisions = decide([makeOrder('pending')], [move('processing'), move('confirmed')]);
    expect(decisions).toMatchObject([
      { from: 'pending', order: { status: 'processing', version: 5 } },
      { from: 'processing', order: { status: 'confirmed', version: 6 } },
    ]);
  });

  it('cannot both happen when the first makes the second impossible', () => {
    const [first, second] = decide([makeOrder('pending')], [move('cancelled'), move('cancelled')]);
    expect(first).toMatchObject({ order: { status: 'cancelled', version: 5 } });
    expect(second).toBeInstanceOf(IllegalTransition);
  });

  it('cannot both happen when both expected the same version', () => {
    const requests = [move('processing', { expectedVersion: 4 }), move('failed', { expectedVersion: 4 })];
    const [first, second] = decide([makeOrder('pending')], requests);
    expect(first).toMatchObject({ order: { version: 5 } });
    expect(second).toBeInstanceOf(VersionConflict);
    expect(second).toMatchObject({ details: { currentVersion: 5 } });
  });

  it('that fail and redrive it give back the old allocation and take the new one', () => {
    const products = [product(1, { 1: 1, 2: 0 })];
    const decisions = decide([makeOrder('processing')], [move('failed'), move('pending')], products);
    expect(decisions).toMatchObject([
      {
        stockChanges: [
          { warehouseId: 1, allocatedDelta: -2 },
          { warehouseId: 2, allocatedDelta: -1 },
        ],
      },
      { isAllocatedAnew: true, stockChanges: [{ warehouseId: 1, allocatedDelta: 3 }] },
    ]);
  });

  it('are not hindered by a refused one between them', () => {
    const decisions = decide(
      [makeOrder('pending')],
      [move('processing'), move('shipped'), move('confirmed')],
    );
    expect(decisions.map(isChange)).toEqual([true, false, true]);
    expect(decisions[2]).toMatchObject({ order: { version: 6 } });
  });
});

describe('the expected version', () => {
  it('lets the move happen when it is the current one', () => {
    const [decision] = decide([makeOrder('pending')], [move('cancelled', { expectedVersion: 4 })]);
    expect(decision).toMatchObject({ order: { status: 'cancelled' } });
  });

  it.each([3, 5])(
    '%i of an order at version 4 is a conflict that names the current version',
    (expectedVersion) => {
      const [decision] = decide([makeOrder('pending')], [move('cancelled', { expectedVersion })]);
      expect(decision).toBeInstanceOf(VersionConflict);
      expect(decision).toMatchObject({ details: { currentVersion: 4 } });
    },
  );
});

describe('a customer', () => {
  it.each<OrderStatus>(['pending', 'confirmed'])('can cancel an order of their own that is %s', (status) => {
    const [decision] = decide([makeOrder(status)], [move('cancelled', { customerId: 'alice' })]);
    expect(decision).toMatchObject({ order: { status: 'cancelled' } });
  });

  it.each(ORDER_STATUSES.filter((status) => status !== 'cancelled'))('cannot make an order %s', (to) => {
    const [decision] = decide([makeOrder('pending')], [move(to, { customerId: 'alice' })]);
    expect(decision).toBeInstanceOf(Forbidden);
  });

  it('hears of another’s order exactly what is said of one that does not exist', () => {
    const requests = [
      move('cancelled', { customerId: 'bob' }),
      move('shipped', { customerId: 'bob', expectedVersion: 1 }),
      move('cancelled', { customerId: 'bob', orderId: '20261120-00009' }),
    ];
    const decisions = decide([makeOrder('pending')], requests);
    for (const decision of decisions) expect(decision).toBeInstanceOf(NotFound);
    const words = decisions.map((decision) => (decision as NotFound).message.replace(/\d{8}-\d{5}/, 'that'));
    expect(new Set(words).size).toBe(1);
  });
});

it('an order that does not exist is not found', () => {
  const [decision] = decide([], [move('cancelled')]);
  expect(decision).toBeInstanceOf(NotFound);
});

/** A small world whose books are right: what the open orders claim is what the levels have allocated. */
interface World {
  readonly orders: readonly Order[];
  /** On hand and allocated by `product/warehouse`. */
  readonly books: ReadonlyMap<string, { onHand: number; allocated: number }>;
}

const PRODUCTS = [1, 2];
const WAREHOUSES = [1, 2];

const claimsOf = (orders: readonly Order[]) =>
  orders
    .filter(({ status }) => CLAIMING_STATUSES.includes(status))
    .flatMap(({ lines }) =>
      lines.flatMap(({ productId, allocations }) =>
        allocations.map(({ warehouseId, quantity }) => ({ level: `${productId}/${warehouseId}`, quantity })),
      ),
    );

const anyLine = fc
  .tuple(fc.constantFrom(...PRODUCTS), fc.nat(2), fc.nat(2))
  .filter(([, one, two]) => one + two > 0)
  .map(([productId, one, two]) =>
    line(productId, { ...(one > 0 && { 1: one }), ...(two > 0 && { 2: two }) }),
  );

const anyWorld: fc.Arbitrary<World> = fc
  .record({
    orders: fc.array(
      fc.record({
        status: fc.constantFrom(...ORDER_STATUSES),
        lines: fc.array(anyLine, { minLength: 1, maxLength: 2 }),
      }),
      { minLength: 1, maxLength: 4 },
    ),
    free: fc.array(fc.nat(4), { minLength: 4, maxLength: 4 }),
  })
  .map(({ orders: drafts, free }) => {
    const orders = drafts.map(({ status, lines }, index) =>
      makeOrder(status, { id: `20261120-0000${index + 1}` as OrderId, version: 1, lines }),
    );
    const claims = claimsOf(orders);
    const levels = PRODUCTS.flatMap((productId) =>
      WAREHOUSES.map((warehouseId) => `${productId}/${warehouseId}`),
    );
    const books = levels.map((level, index): [string, { onHand: number; allocated: number }] => {
      const allocated = claims
        .filter((claim) => claim.level === level)
        .reduce((sum, { quantity }) => sum + quantity, 0);
      return [level, { onHand: allocated + (free[index] as number), allocated }];
    });
    return { orders, books: new Map(books) };
  });

const anyMoves = fc.array(
  fc.record({
    orderId: fc.integer({ min: 1, max: 4 }).map((n) => `20261120-0000${n}`),
    to: fc.constantFrom(...ORDER_STATUSES),
  }),
  { maxLength: 15 },
);

describe('any batch of moves', () => {
  it('keeps the books: what open orders claim is what is allocated, nothing is oversold, what shipped is gone', () => {
    fc.assert(
      fc.property(anyWorld, anyMoves, ({ orders, books }, requests) => {
        const products = PRODUCTS.map((productId) => {
          const left = (warehouseId: number) => {
            const { onHand, allocated } = books.get(`${productId}/${warehouseId}`) as {
              onHand: number;
              allocated: number;
            };
            return onHand - allocated;
          };
          return product(productId, { 1: left(1), 2: left(2) });
        });
        const decisions = decide(orders, requests, products);
        const after = new Map([...books].map(([level, book]) => [level, { ...book }]));
        const current = new Map<string, Order>(orders.map((order) => [order.id, order]));
        let gone = 0;
        for (const change of decisions.filter(isChange)) {
          expect(orderStatusMachine.isAllowed(change.from, change.order.status)).toBe(true);
          expect(current.get(change.order.id)).toMatchObject({
            status: change.from,
            version: change.order.version - 1,
          });
          current.set(change.order.id, change.order);
          for (const { productId, warehouseId, onHandDelta = 0, allocatedDelta = 0 } of change.stockChanges) {
            const book = after.get(`${productId}/${warehouseId}`) as { onHand: number; allocated: number };
            book.onHand += onHandDelta;
            book.allocated += allocatedDelta;
          }
          // Not only at the end: after every single move nothing is oversold.
          for (const { onHand, allocated } of after.values()) {
            expect(allocated).toBeGreaterThanOrEqual(0);
            expect(allocated).toBeLessThanOrEqual(onHand);
          }
          gone += change.movements.reduce((sum, { quantityDelta }) => sum - quantityDelta, 0);
        }
        const claims = Map.groupBy(claimsOf([...current.values()]), ({ level }) => level);
        for (const [level, { allocated }] of after) {
          expect((claims.get(level) ?? []).reduce((sum, { quantity }) => sum + quantity, 0)).toBe(allocated);
        }
        const onHand = (levels: World['books']) =>
          [...levels.values()].reduce((sum, book) => sum + book.onHand, 0);
        expect(onHand(books) - onHand(after)).toBe(gone);
      }),
      { numRuns: 500 },
    );
  });
});
