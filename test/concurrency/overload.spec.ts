import pg from 'pg';

import { startTestApp, type TestApp, type TestResponse } from '../support/app.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { expectHealthy } from '../support/doctor.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { waitFor } from '../support/wait-for.js';

const ONE_TEA = { lines: [{ sku: 'TEA', quantity: 1 }] };

let database: TestDatabase;
let network: TcpProxy;
let daybook: TestApp;

beforeAll(async () => {
  database = await createTestDatabase();
  network = await TcpProxy.before(database.url);
  daybook = await startTestApp({ DATABASE_URL: network.through(database.url), LOG_LEVEL: 'fatal' });
  await daybook.createProduct('TEA', 10_000);
});
afterEach(async () => {
  for (const holder of holders) await holder.end();
  holders.clear();
  await expectHealthy(database.url);
});
afterAll(async () => {
  await daybook.stop();
  await network.close();
  await database.drop();
});

const receive = () =>
  daybook.api('POST', '/stock-adjustments', { body: { sku: 'TEA', quantityDelta: 1, reason: 'received' } });
const place = (key: string) =>
  daybook.api('POST', '/orders', { body: ONE_TEA, headers: { 'idempotency-key': key } });
const times = <T>(n: number, make: (index: number) => Promise<T>) =>
  Promise.all(Array.from({ length: n }, (_, index) => make(index)));

async function one<T>(text: string): Promise<T> {
  const [row] = await database.query<{ value: T }>(`SELECT (${text}) AS value`);
  return row?.value as T;
}
const onHand = () => one<string>('SELECT on_hand FROM stock_levels').then(Number);
const storedOrders = () => one<number>('SELECT count(*)::int FROM orders');

const holders = new Set<pg.Client>();

/** Takes a lock on another connection; returns what releases it, which the end of the test does otherwise. */
async function hold(statement: string): Promise<() => Promise<void>> {
  const holder = new pg.Client({ connectionString: database.url });
  await holder.connect();
  holders.add(holder);
  await holder.query('BEGIN');
  await holder.query(statement);
  return async () => {
    holders.delete(holder);
    await holder.end();
  };
}

function untilWaiting(n: number): Promise<unknown> {
  const waiting = `SELECT count(*)::int FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  return waitFor(`${n} transactions that wait for a lock`, async () => (await one<number>(waiting)) === n);
}

/** A refusal that tells a client what to do: try again in a second, nothing happened. */
function expectRefused(answers: readonly TestResponse[], code: string): void {
  const told = answers.map(
    ({ status, headers, body }) =>
      `${status} ${body?.code}, retry after ${headers.get('retry-after')}, ${headers.get('content-type')}`,
  );
  expect([...new Set(told)]).toEqual([
    expect.stringMatching(`^503 ${code}, retry after 1, application/problem\\+json\\b`),
  ]);
}

describe('more requests than can be served', () => {
  it('are refused at once when the queue is full; of those that wait, each is served or told that it was not', async () => {
    const before = await onHand();
    const release = await hold('SELECT FROM stock_levels FOR UPDATE');
    // Stock adjustments: 4 transactions under way, 500 wait, the next is too many.
    const underWay = times(4, receive);
    await untilWaiting(4);
    const answers: TestResponse[] = [];
    const rest = times(600, () => receive().then((answer) => answers.push(answer)));
    await waitFor('100 refusals', () => answers.length === 100);
    expectRefused(answers, 'overloaded');
    await release();
    const accepted = await underWay;
    await rest;
    accepted.push(...answers.slice(100));
    expect(accepted).toHaveLength(504);
    // A slow machine may not serve all of them before they have waited too long.
    const served = accepted.filter(({ status }) => status === 201);
    const tooLate = accepted.filter(({ status }) => status !== 201);
    expect(served).not.toEqual([]);
    if (tooLate.length > 0) expectRefused(tooLate, 'overloaded');
    expect(await onHand()).toBe(before + served.length);
    expect((await receive()).status).toBe(201);
  });

  it('are refused in bounded time when the database is held up, and change nothing', async () => {
    const before = await storedOrders();
    const release = await hold('LOCK TABLE stock_levels, orders IN ACCESS EXCLUSIVE MODE');
    const [orders, reads, adjustments] = await Promise.all([
      times(300, (n) => place(`held up ${n}`)),
      times(60, () => daybook.api('GET', '/orders')),
      times(20, receive),
    ]);
    await release();
    expectRefused([...orders, ...reads, ...adjustments], 'overloaded');
    expect(await storedOrders()).toBe(before);
    const again = await times(300, (n) => place(`held up ${n}`));
    expect(again.map(({ status }) => status)).toEqual(again.map(() => 201));
    expect(await storedOrders()).toBe(before + 300);
  });
});

describe('a database that goes away', () => {
  const health = async (path: string) => (await fetch(`${daybook.origin}/health/${path}`)).status;

  it('is answered with 503, and served again when it is back, without a restart', async () => {
    const before = await storedOrders();
    await network.cut();
    const refused = await Promise.all([
      ...Array.from({ length: 20 }, (_, n) => place(`away ${n}`)),
      ...Array.from({ length: 20 }, () => daybook.api('GET', '/orders')),
      daybook.api('GET', '/products/TEA/stock'),
      daybook.api('PATCH', '/orders/20261120-00001', { body: { status: 'cancelled' } }),
      receive(),
    ]);
    expectRefused(refused, 'database_unavailable');
    expect(await health('ready')).toBe(503);
    expect(await health('live')).toBe(200);
    await network.mend();
    const again = await times(20, (n) => place(`away ${n}`));
    expect(again.map(({ status }) => status)).toEqual(again.map(() => 201));
    expect((await daybook.api('GET', '/orders')).status).toBe(200);
    expect(await health('ready')).toBe(200);
    expect(await storedOrders()).toBe(before + 20);
  });

  it('under load loses no order that was answered and places none that was refused', async () => {
    const before = await storedOrders();
    const kinds = new Map<string, string[]>();
    let isLoaded = true;
    const client = async (index: number) => {
      for (let n = 0; isLoaded; n += 1) {
        const key = `flicker ${index}/${n}`;
        const { status, body } = await place(key);
        const kind = `${status} ${body.code ?? ''} ${/unknown/.exec(body.detail)?.[0] ?? ''}`.trim();
        kinds.set(kind, [...(kinds.get(kind) ?? []), key]);
      }
    };
    const reads = new Set<string>();
    const reader = async () => {
      while (isLoaded) {
        const { status, body } = await daybook.api('GET', '/orders?limit=1');
        reads.add(`${status} ${body.code ?? ''}`.trim());
      }
    };
    const load = Promise.all([times(16, client), times(4, reader)]);
    for (let round = 0; round < 8; round += 1) {
      const seen = kinds.get('201')?.length ?? 0;
      await waitFor('orders', () => (kinds.get('201')?.length ?? 0) > seen + 50);
      await network.cut(round % 2 === 0 ? 'reset' : 'end');
      await waitFor('refusals', () => (kinds.get('503 database_unavailable')?.length ?? 0) > 0);
      await network.mend();
    }
    isLoaded = false;
    await load;
    // With a key the commit that was cut off is looked up, so no outcome stays unknown.
    expect([...kinds.keys()].sort()).toEqual(['201', '503 database_unavailable']);
    expect([...reads].sort()).toEqual(['200', '503 database_unavailable']);
    expect(await storedOrders()).toBe(before + (kinds.get('201')?.length ?? 0));
    const refused = await database.query(
      `SELECT key FROM idempotency_keys WHERE key = ANY($1) AND caller = 'operator-1'`,
      [kinds.get('503 database_unavailable')],
    );
    expect(refused).toEqual([]);
  });
});
