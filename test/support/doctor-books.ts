import { ExpireReservations } from '@daybook/inventory';
import { systemContext } from '@daybook/platform';
import { CommandBus } from '@nestjs/cqrs';
import { DataSource } from 'typeorm';

import type { Check } from '../../apps/api/src/doctor/check.js';
import { brokenOnes, type Finding, runChecks } from '../../apps/api/src/doctor/examine.js';
import { startTestApp, type TestApp } from './app.js';

/** What one of the doctor's checks must notice. */
export interface Damage {
  readonly check: string;
  readonly what: string;
  readonly sql: () => string;
  /** What the check must say. */
  readonly says: () => string[];
}

/** The reservations in the books, by what became of them. */
const RESERVATIONS = ['consumed', 'purged', 'released', 'expired', 'overdue', 'open'] as const;
type ReservationName = (typeof RESERVATIONS)[number];

/** Books that have seen everything that can happen to an order or a reservation, and are in order. */
export interface Books {
  readonly daybook: () => TestApp;
  readonly database: () => DataSource;
  /** The business day all orders are placed on, `YYYYMMDD`. */
  readonly day: () => string;
  /** The n-th order as it is stored, and as it is shown. */
  readonly order: (n: number) => string;
  readonly number: (n: number) => string;
  readonly reservation: (name: ReservationName) => string;
  /** Does the damage, runs the checks and takes the damage back. */
  readonly damaged: (sql: string) => Promise<Finding[]>;
}

/** Opens the books for the spec file that calls it. */
export function useBooks(): Books {
  let filled: { daybook: TestApp; day: string; reservations: ReadonlyMap<ReservationName, string> };
  beforeAll(async () => {
    // Nothing tidies up: what is overdue stays so.
    const daybook = await startTestApp({ DAYBOOK_ROLES: 'api' });
    // Noon, so that no midnight passes while the test runs.
    const noon = new Date().setUTCHours(12, 0, 0, 0);
    const shift = (seconds: number) =>
      daybook.database.shiftTime(`${noon - Date.now() + seconds * 1000} milliseconds`);
    await shift(0);
    const day = new Date(noon).toISOString().slice(0, 10).replaceAll('-', '');
    await fillOrders(daybook, day);
    filled = { daybook, day, reservations: await fillReservations(daybook, shift) };
  });
  afterAll(() => filled.daybook.stop());
  const database = () => filled.daybook.app.get(DataSource);
  return {
    daybook: () => filled.daybook,
    database,
    day: () => filled.day,
    order: (n) => `${filled.day}${String(n).padStart(10, '0')}`,
    number: (n) => `${filled.day}-${String(n).padStart(5, '0')}`,
    reservation: (name) => filled.reservations.get(name) as string,
    damaged: async (sql) => {
      const runner = database().createQueryRunner();
      await runner.startTransaction();
      try {
        await runner.query(sql);
        return brokenOnes(await runChecks(runner.manager));
      } finally {
        await runner.rollbackTransaction();
        await runner.release();
      }
    },
  };
}

/** One test per damage, and one that no check was forgotten. */
export function describeChecks(
  subject: string,
  { damaged }: Pick<Books, 'damaged'>,
  checks: readonly Check[],
  damages: readonly Damage[],
): void {
  describe(subject, () => {
    it.each(damages)('$check finds $what', async ({ check, sql, says }) => {
      const found = (await damaged(sql())).find((finding) => finding.check === check);
      expect(found?.examples).toEqual(says());
      expect(found?.discrepancies).toBe(says().length);
    });

    it('have each been seen to bite', () => {
      expect([...new Set(damages.map(({ check }) => check))]).toEqual(checks.map(({ name }) => name));
    });
  });
}

/** Six orders that have been through everything an order can go through. */
async function fillOrders(daybook: TestApp, day: string): Promise<void> {
  const move = async (n: string, ...statuses: string[]) => {
    for (const status of statuses) await ask(daybook, 'PATCH', `/orders/${day}-${n}`, { status });
  };
  await daybook.createProduct('TEA', 10, 1250);
  await daybook.createProduct('CUP', 10, 1450);
  await ask(daybook, 'POST', '/warehouses', { code: 'north', name: 'North', priority: 200 });
  await adjust(daybook, { sku: 'TEA', warehouse: 'north', quantityDelta: 20, reason: 'received' });
  await adjust(daybook, { sku: 'CUP', quantityDelta: -1, reason: 'broken' });
  const both = [
    { sku: 'TEA', quantity: 2 },
    { sku: 'CUP', quantity: 1 },
  ];
  await ask(daybook, 'POST', '/orders', { lines: both, clientOrderId: 'cart-1' }, 'key-1', 'alice');
  await ask(daybook, 'POST', '/orders', { lines: [{ sku: 'TEA', quantity: 25 }] });
  await move('00002', 'processing', 'confirmed', 'shipped', 'delivered');
  await ask(daybook, 'POST', '/orders', { lines: both });
  await move('00003', 'cancelled');
  await ask(daybook, 'POST', '/orders', { lines: [{ sku: 'CUP', quantity: 2 }] }, 'key-4');
  await move('00004', 'processing', 'failed', 'pending');
  const orders = [
    { lines: both, idempotencyKey: 'row' },
    { lines: [{ sku: 'NONE', quantity: 1 }] },
    { lines: [{ sku: 'CUP', quantity: 1 }] },
  ];
  const bulk = await ask(daybook, 'POST', '/orders/bulk', { orders }, 'bulk');
  expect(bulk.results.map(({ status }: { status: number }) => status)).toEqual([201, 400, 201]);
}

/** Reservations that have come to every end, two of them as orders 7 and 8; one is open, and one overdue, half reaped. */
async function fillReservations(
  daybook: TestApp,
  shift: (seconds: number) => Promise<void>,
): Promise<ReadonlyMap<ReservationName, string>> {
  const ids = new Map<ReservationName, string>();
  const reserve = async (name: ReservationName, ttlSeconds: number, pots: number, jugs = 0) => {
    const lines = [
      { sku: 'POT', quantity: pots },
      { sku: 'JUG', quantity: jugs },
    ];
    const body = { ttlSeconds, lines: lines.filter(({ quantity }) => quantity > 0) };
    ids.set(name, (await ask(daybook, 'POST', '/reservations', body, undefined, 'alice')).id);
  };
  await daybook.createProduct('POT', 11, 3490);
  await daybook.createProduct('JUG', 3, 2000);
  await adjust(daybook, { sku: 'POT', warehouse: 'north', quantityDelta: 5, reason: 'received' });
  await reserve('consumed', 600, 2);
  await ask(daybook, 'POST', `/reservations/${ids.get('consumed')}/extend`, { ttlSeconds: 1200 });
  await ask(daybook, 'POST', '/orders', { reservationId: ids.get('consumed') });
  await reserve('purged', 600, 1);
  await ask(daybook, 'POST', '/orders', { reservationId: ids.get('purged') });
  // As the job does a month later.
  await daybook.database.query('DELETE FROM reservations WHERE id = $1', [ids.get('purged')]);
  await reserve('released', 600, 2);
  await ask(daybook, 'POST', `/reservations/${ids.get('released')}/release`, {});
  await reserve('expired', 1, 2);
  await shift(60);
  await daybook.app.get(CommandBus).execute(new ExpireReservations(10, systemContext('books')));
  await reserve('overdue', 1, 1, 3);
  await reserve('open', 86_400, 9);
  await shift(120);
  // Less than the overdue reservation holds is left: its hold on jugs ends, the one on pots stays.
  await adjust(daybook, { sku: 'JUG', quantityDelta: -1, reason: 'broken' });
  return ids;
}

function adjust(daybook: TestApp, body: object) {
  return ask(daybook, 'POST', '/stock-adjustments', body);
}

/** The body of an answer that must be a success. */
export async function ask(
  daybook: TestApp,
  method: string,
  path: string,
  body?: object,
  key?: string,
  as: keyof TestApp['tokens'] = 'operator',
) {
  const headers = key === undefined ? {} : { 'idempotency-key': key };
  const answer = await daybook.api(method, path, {
    ...(body && { body }),
    headers,
    token: daybook.tokens[as],
  });
  if (answer.status >= 300)
    throw new Error(`${method} ${path} was answered ${answer.status}: ${answer.text}`);
  return answer.body;
}
