import fc from 'fast-check';

import {
  AllocateFewestParcels,
  type ProductStock,
  ReservationNotActive,
  type Reservation,
  RESERVATION_STATUSES,
} from '@daybook/inventory';
import { NotFound } from '@daybook/platform';

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
  ConsumedTwice,
  decidePlacement,
  isPlacement,
  NamedTwice,
  type PlacementDecision,
  type PlacementRequest,
} from './decide-placement.js';

/* What decidePlacement decides on orders for reservations. */

const NOW = new Date('2026-11-20T12:00:00.000Z');
const inMs = (ms: number) => new Date(NOW.getTime() + ms);

/** Alice's reservation, held by the warehouse w7, which no allocator would choose; it lasts for another minute. */
function reservation(
  id: string,
  lines: readonly (readonly [product: ProductStock, quantity: number])[],
  changes: Partial<Reservation> = {},
): Reservation {
  return {
    id,
    customerId: 'alice',
    status: 'active',
    lines: lines.map(([{ productId, sku }, quantity]) => ({
      productId,
      sku,
      quantity,
      allocations: [{ warehouseId: 7, warehouse: 'w7', quantity }],
    })),
    expiresAt: inMs(60_000),
    orderId: null,
    createdAt: inMs(-60_000),
    updatedAt: inMs(-60_000),
    version: 1,
    ...changes,
  };
}

const consume = (reservationId: string, changes: Partial<PlacementRequest> = {}): PlacementRequest => ({
  customerId: 'alice',
  lines: [],
  reservationId,
  ...changes,
});
const order = (sku: string, quantity: number): PlacementRequest => ({
  customerId: 'alice',
  lines: [{ sku, quantity }],
});

function decide(
  products: readonly ProductStock[],
  reservations: readonly Reservation[],
  requests: readonly PlacementRequest[],
  taken: Record<string, string> = {},
): PlacementDecision[] {
  const state = {
    products: bySku(products),
    ordersByName: new Map(Object.entries(taken) as [string, OrderId][]),
    reservations: new Map(reservations.map((each) => [each.id, each])),
    now: NOW,
  };
  return decidePlacement(requests, state, new AllocateFewestParcels());
}

describe('an order for a reservation', () => {
  it('takes over its lines and warehouses, with the names and prices of now, and needs no stock', () => {
    const tea = product('TEA', { 1: 0 }, { priceCents: 1250, name: 'Renamed' });
    const held = reservation('r', [
      [tea, 2],
      [tea, 1],
    ]);
    const { productId } = tea;
    const line = { productId, sku: 'TEA', name: 'Renamed', unitPriceCents: 1250 };
    expect(decide([tea], [held], [consume('r')])).toEqual([
      {
        currency: 'USD',
        totalCents: 3750,
        lines: [
          { ...line, quantity: 2, allocations: [{ warehouseId: 7, warehouse: 'w7', quantity: 2 }] },
          { ...line, quantity: 1, allocations: [{ warehouseId: 7, warehouse: 'w7', quantity: 1 }] },
        ],
        reservation: held,
      },
    ]);
  });

  it('leaves all stock to the orders of its batch', () => {
    const tea = product('TEA', { 1: 2 });
    const requests = [order('TEA', 1), consume('r'), order('TEA', 1), order('TEA', 1)];
    const decisions = decide([tea], [reservation('r', [[tea, 5]])], requests);
    expect(decisions.map(isPlacement)).toEqual([true, true, true, false]);
    expect(decisions[3]).toMatchObject({ details: { lines: [{ requested: 1, available: 0 }] } });
  });

  it('is refused when the reservation does not exist, or is of another customer', () => {
    const tea = product('TEA', { 1: 9 });
    const requests = [consume('none'), consume('r', { customerId: 'bob' })];
    const decisions = decide([tea], [reservation('r', [[tea, 1]])], requests);
    expect(decisions.map((decision) => decision instanceof NotFound)).toEqual([true, true]);
  });

  it.each([
    ['a millisecond before its deadline', 1, true],
    ['exactly at its deadline', 0, false],
    ['a millisecond after its deadline', -1, false],
  ])('%s is decided by the moment', (_, msLeft, isPlaced) => {
    const tea = product('TEA', { 1: 9 });
    const held = reservation('r', [[tea, 1]], { expiresAt: inMs(msLeft) });
    const [decision] = decide([tea], [held], [consume('r')]) as [PlacementDecision];
    expect(isPlacement(decision)).toBe(isPlaced);
    if (isPlaced) return;
    expect(decision).toBeInstanceOf(ReservationNotActive);
    expect(decision).toMatchObject({ details: { reservationStatus: 'expired', orderId: null } });
  });

  it.each(RESERVATION_STATUSES.filter((status) => status !== 'active'))(
    'is refused when that is %s, however long it would have lasted',
    (status) => {
      const tea = product('TEA', { 1: 9 });
      const orderId = status === 'consumed' ? '20261120-00007' : null;
      const ended = reservation('r', [[tea, 1]], { status, orderId });
      const [decision] = decide([tea], [ended], [consume('r')]);
      expect(decision).toBeInstanceOf(ReservationNotActive);
      expect(decision).toMatchObject({ details: { reservationStatus: status, orderId } });
    },
  );

  it('that another order of its batch consumes points at that one', () => {
    const tea = product('TEA', { 1: 9 });
    const requests = [order('TEA', 1), consume('r'), consume('r'), consume('r', { customerId: 'bob' })];
    const decisions = decide([tea], [reservation('r', [[tea, 1]])], requests);
    expect(decisions[1]).toMatchObject({ totalCents: 100 });
    expect(decisions[2]).toEqual(new ConsumedTwice(1));
    expect(decisions[3]).toBeInstanceOf(NotFound);
  });

  it('that was refused leaves the reservation to the next one', () => {
    const [tea, old] = [product('TEA', { 1: 9 }), product('OLD', { 1: 9 }, { active: false })];
    const reservations = [reservation('r', [[tea, 1]]), reservation('s', [[old, 1]])];
    const taken = { [clientOrderName('alice', 'taken')]: '20261120-00007' };
    const requests = [
      consume('r', { clientOrderId: 'taken' }),
      consume('s', { clientOrderId: 'free' }),
      consume('r', { clientOrderId: 'free' }),
      consume('r', { clientOrderId: 'free' }),
    ];
    const decisions = decide([tea, old], reservations, requests, taken);
    expect(decisions[0]).toBeInstanceOf(DuplicateClientOrderId);
    expect(decisions[1]).toMatchObject({ code: 'product_inactive', details: { sku: 'OLD' } });
    expect(decisions[2]).toMatchObject({ totalCents: 100 });
    expect(decisions[3]).toEqual(new NamedTwice(2));
  });

  it('is refused when its total has become too large to be exact', () => {
    const dear = product('DEAR', { 1: 9 }, { priceCents: 9_999_999_999 });
    const decisions = decide([dear], [reservation('r', [[dear, 1_000_000]])], [consume('r')]);
    expect(decisions).toMatchObject([{ code: 'validation_failed', errors: [{ path: 'lines' }] }]);
  });
});

const IDS = ['r0', 'r1', 'r2'];
const anyReservation = fc.record({
  lines: anyLines(SKUS),
  msLeft: fc.constantFrom(-1, 0, 1),
  status: fc.constantFrom(...RESERVATION_STATUSES, 'active' as const, 'active' as const),
  customerId: fc.constantFrom('alice', 'alice', 'bob'),
});
const anyRequest = fc.oneof(
  anyLines(SKUS).map((lines): PlacementRequest => ({ customerId: 'alice', lines })),
  fc.constantFrom(...IDS, 'unknown').map((id) => consume(id)),
);

describe('any batch that mixes orders and reservations', () => {
  const anyCase = fc.record({
    stock: anyStock,
    made: fc.tuple(anyReservation, anyReservation, anyReservation),
    requests: fc.array(anyRequest, { maxLength: 10 }),
  });

  it('places the first order for each reservation that is open, and packs the others as if there were none', () => {
    fc.assert(
      fc.property(anyCase, ({ stock, made, requests }) => {
        const products = bySku(stock);
        const reservations = made.map(({ lines, msLeft, ...changes }, index) =>
          reservation(
            `r${index}`,
            lines.map(({ sku, quantity }) => [products.get(sku) as ProductStock, quantity]),
            { ...changes, expiresAt: inMs(msLeft) },
          ),
        );
        const answers = decide(stock, reservations, requests).map((decision) =>
          isPlacement(decision) ? parcelsOf(decision.lines) : 'refused',
        );

        const fromStock = requests.filter(({ reservationId }) => reservationId === undefined);
        const packed = packByHand(
          stock,
          fromStock.map(({ lines }) => lines),
          true,
        );
        const open = IDS.filter((_, index) => {
          const { status, msLeft, customerId } = made[index] as (typeof made)[number];
          return status === 'active' && msLeft > 0 && customerId === 'alice';
        });
        const expected = requests.map(({ reservationId }) => {
          if (reservationId === undefined) return packed.shift();
          const isOpen = open.includes(reservationId);
          if (isOpen) open.splice(open.indexOf(reservationId), 1);
          const lines = made[IDS.indexOf(reservationId)]?.lines ?? [];
          return isOpen ? lines.map(({ quantity }) => `w7:${quantity}`) : 'refused';
        });
        expect(answers).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });

  it('never changes what it was given', () => {
    const tea = product('TEA', { 1: 2 });
    const held = [reservation('r', [[tea, 1]])];
    const before = structuredClone(held);
    decide([tea], held, [consume('r'), consume('r'), order('TEA', 1)]);
    expect(held).toEqual(before);
  });
});
