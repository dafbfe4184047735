import { NotFound, type Role, VersionConflict } from '@daybook/platform';

import { ReservationNotActive } from './inventory.errors.js';
import {
  asOf,
  changed,
  claim,
  holdsOf,
  type Reservation,
  RESERVATION_STATUSES,
  type ReservationStatus,
  reservationStatusMachine,
  toClaimant,
  toReservationId,
} from './reservation.js';

const ID = '01a1fa71-364f-7b12-aaa7-c882429daade';
const DUE = new Date('2026-11-20T12:00:00.000Z');
const MADE = new Date('2026-11-20T11:50:00.000Z');
const EARLIER = new Date(DUE.getTime() - 1);
const LATER = new Date(DUE.getTime() + 1);

const reservation = (changes: Partial<Reservation> = {}): Reservation => ({
  id: ID,
  customerId: 'alice',
  status: 'active',
  lines: [],
  expiresAt: DUE,
  orderId: null,
  createdAt: MADE,
  updatedAt: MADE,
  version: 3,
  ...changes,
});

describe('the states of a reservation', () => {
  /** Written out once more: the machine of the code must not be its own witness. */
  const MOVES: Record<ReservationStatus, readonly ReservationStatus[]> = {
    active: ['consumed', 'released', 'expired'],
    consumed: [],
    released: [],
    expired: [],
  };

  it.each(RESERVATION_STATUSES)('lead from %s where they should, and nowhere else', (from) => {
    const reached = RESERVATION_STATUSES.filter((to) => reservationStatusMachine.isAllowed(from, to));
    expect(reached).toEqual(RESERVATION_STATUSES.filter((to) => MOVES[from].includes(to)));
  });

  it('begin with active', () => {
    expect(reservationStatusMachine.initial).toBe('active');
    expect(reservationStatusMachine.states).toEqual(RESERVATION_STATUSES);
  });
});

describe('a reservation as of a moment', () => {
  it('before it is due is what it is', () => {
    expect(asOf(EARLIER, reservation())).toEqual(reservation());
  });

  it.each([
    ['exactly when it is due', DUE],
    ['later', LATER],
  ])('%s has expired when it was due, as the next version', (_, now) => {
    expect(asOf(now, reservation())).toEqual(reservation({ status: 'expired', updatedAt: DUE, version: 4 }));
  });

  it.each(RESERVATION_STATUSES.filter((status) => status !== 'active'))(
    'stays %s once it has ended, however late it is',
    (status) => {
      expect(asOf(LATER, reservation({ status }))).toEqual(reservation({ status }));
    },
  );
});

describe('a change', () => {
  it('is a new version of a new object', () => {
    const before = reservation();
    const after = changed(before, EARLIER, { status: 'consumed', orderId: '20261120-00001' });
    expect(after).toEqual(
      reservation({ status: 'consumed', orderId: '20261120-00001', updatedAt: EARLIER, version: 4 }),
    );
    expect(before).toEqual(reservation());
  });
});

describe('a claim on a reservation', () => {
  const claimOf = (found: Reservation | undefined, claimant: object = {}, now = EARLIER) =>
    claim(found, { reservationId: ID, customerId: 'alice', ...claimant }, now);
  const notActive = (reservationStatus: string, orderId: string | null = null) => ({
    details: { reservationId: ID, reservationStatus, orderId },
  });

  it.each<[who: string, claimant: object]>([
    ['its customer', {}],
    ['its customer, who knows its version', { expectedVersion: 3 }],
    ['an operator', { customerId: undefined }],
  ])('by %s is granted a moment before it is due', (_, claimant) => {
    expect(claimOf(reservation(), claimant)).toEqual(reservation());
  });

  it('on one that does not exist, or is of another customer, is answered alike, whatever its state', () => {
    const refusals = [
      claimOf(undefined),
      claimOf(undefined, { customerId: undefined }),
      claimOf(reservation(), { customerId: 'bob' }),
      claimOf(reservation({ status: 'consumed' }), { customerId: 'bob' }),
      claimOf(reservation(), { customerId: 'bob', expectedVersion: 1 }),
      claimOf(reservation(), { customerId: 'bob' }, LATER),
    ];
    for (const refusal of refusals) {
      expect(refusal).toBeInstanceOf(NotFound);
      expect(refusal).toEqual(refusals[0]);
    }
  });

  it.each([DUE, LATER])('on one that is due or overdue finds it expired, whatever its row says', (now) => {
    const refusal = claimOf(reservation(), {}, now);
    expect(refusal).toBeInstanceOf(ReservationNotActive);
    expect(refusal).toMatchObject(notActive('expired'));
  });

  it.each<[status: ReservationStatus, orderId: string | null]>([
    ['consumed', '20261120-00001'],
    ['released', null],
    ['expired', null],
  ])('on one that is %s says so', (status, orderId) => {
    const refusal = claimOf(reservation({ status, orderId }));
    expect(refusal).toBeInstanceOf(ReservationNotActive);
    expect(refusal).toMatchObject(notActive(status, orderId));
  });

  it.each<[what: string, now: Date, expected: number, actual: number]>([
    ['an older version', EARLIER, 2, 3],
    ['a version to come', EARLIER, 4, 3],
    ['the version before it expired', LATER, 3, 4],
  ])('that expects %s is refused, and told the version as of now', (_, now, expectedVersion, actual) => {
    const refusal = claimOf(reservation(), { expectedVersion }, now);
    expect(refusal).toBeInstanceOf(VersionConflict);
    expect(refusal).toMatchObject({ details: { currentVersion: actual } });
  });

  it('that expects the version at which it has expired is told that it has', () => {
    expect(claimOf(reservation(), { expectedVersion: 4 }, DUE)).toMatchObject(notActive('expired'));
  });
});

describe('a claimant', () => {
  it.each<[roles: readonly Role[], customerId: string | undefined]>([
    [['customer'], 'alice'],
    [['operator'], undefined],
    [['admin'], undefined],
    [['customer', 'operator'], undefined],
  ])('with the roles %j claims what is of %s', (roles, customerId) => {
    const context = { actor: 'alice', roles, requestId: 'request' };
    const command = { reservationId: ID, context, expectedVersion: 2 };
    expect(toClaimant(command)).toEqual({ reservationId: ID, customerId, expectedVersion: 2 });
  });
});

describe('what a reservation holds', () => {
  const line = (productId: number, ...allocations: [warehouseId: number, quantity: number][]) => ({
    productId,
    sku: `P${productId}`,
    quantity: allocations.reduce((sum, [, quantity]) => sum + quantity, 0),
    allocations: allocations.map(([warehouseId, quantity]) => ({
      warehouseId,
      warehouse: `w${warehouseId}`,
      quantity,
    })),
  });
  const holds = (...lines: Reservation['lines']) =>
    holdsOf(reservation({ lines })).map((hold) => [hold.productId, hold.warehouseId, hold.quantity]);

  it('is a row per product and warehouse, over all its lines', () => {
    expect(holds(line(1, [1, 2], [2, 3]), line(2, [1, 4]), line(1, [2, 5], [3, 1]))).toEqual([
      [1, 1, 2],
      [1, 2, 8],
      [2, 1, 4],
      [1, 3, 1],
    ]);
  });

  it('does not mix products and warehouses whose numbers run together', () => {
    expect(holds(line(1, [11, 1]), line(11, [1, 2]))).toEqual([
      [1, 11, 1],
      [11, 1, 2],
    ]);
  });

  it('is nothing without lines', () => {
    expect(holds()).toEqual([]);
  });
});

describe('the id of a reservation', () => {
  it('is stored in small letters', () => {
    expect(toReservationId(ID.toUpperCase())).toBe(ID);
  });

  it.each([
    '',
    'x',
    `${ID}0`,
    ID.slice(1),
    ID.replaceAll('-', ''),
    `{${ID}}`,
    ` ${ID}`,
    `${ID}\n`,
    '20261120-00001',
  ])('cannot be %j', (text) => {
    expect(() => toReservationId(text)).toThrow(NotFound);
  });
});
