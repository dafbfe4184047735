import { connect } from 'node:net';

import { WritePath } from '@daybook/platform';
import pg from 'pg';

import { request, startTestApp, type TestApp } from '../support/app.js';
import { expectProblem } from '../support/problem.js';
import { readPrometheusText, seriesIn } from '../support/prometheus-text.js';
import { waitFor } from '../support/wait-for.js';

const ONE_TEA = { lines: [{ sku: 'TEA', quantity: 1 }] };
const CLIENT_GONE = 'method="POST",route="/api/v1/orders",status="499"';

let daybook: TestApp;
let holder: pg.Client | undefined;

async function start(environment: NodeJS.ProcessEnv = {}): Promise<void> {
  daybook = await startTestApp({ DAYBOOK_ROLES: 'api', LOG_LEVEL: 'fatal', ...environment });
  await daybook.createProduct('TEA', 100);
}
afterEach(async () => {
  await release();
  await daybook.stop();
});

async function readAll(): Promise<Map<string, number>> {
  const { status, text } = await request(daybook.origin, 'GET', '/metrics');
  expect(status).toBe(200);
  return seriesIn(readPrometheusText(text));
}

/** Reads all of them at once; tells of each its value, 0 if it is not there. */
async function look(): Promise<(series: string) => number> {
  const found = await readAll();
  return (series) => found.get(series) ?? 0;
}

/** Lets nobody come to the stock until {@link release}. */
async function holdStock(): Promise<void> {
  holder = new pg.Client({ connectionString: daybook.database.url });
  await holder.connect();
  await holder.query('BEGIN; LOCK TABLE stock_levels IN ACCESS EXCLUSIVE MODE');
}
async function release(): Promise<void> {
  await holder?.end();
  holder = undefined;
}
const transactionsWait = (count: number) =>
  waitFor(`${count} transactions that wait for the stock`, async () => {
    const waiting = await daybook.database.query(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    return waiting.length >= count;
  });
const untilMetric = (series: string, value: number) =>
  waitFor(`${series} to be ${value}`, async () => (await look())(series) === value);

const place = (body: object = ONE_TEA, headers: Record<string, string> = {}) =>
  daybook.api('POST', '/orders', { body, headers });

describe('what was done', () => {
  beforeEach(() => start());

  it('by workers is counted by the outcome of each attempt', async () => {
    await daybook.stop();
    await start({
      DAYBOOK_ROLES: 'api,worker',
      SIMULATED_FAILURE_PERCENT: '100',
      ORDER_PROCESS_ATTEMPTS: '2',
    });
    await place({ ...ONE_TEA, processingTimeMs: 5 });
    await untilMetric('daybook_attempts_ended_total{outcome="failed"}', 2);
    const after = await look();
    expect(after('daybook_attempts_ended_total{outcome="confirmed"}')).toBe(0);
    expect(after('daybook_attempt_duration_seconds_count{outcome="failed"}')).toBe(2);
    expect(after('daybook_order_transitions_total{from="processing",to="pending"}')).toBe(1);
    expect(after('daybook_order_transitions_total{from="processing",to="failed"}')).toBe(1);
  });

  it('with orders is counted once it is committed, and only then', async () => {
    const before = await look();
    expect(before('daybook_orders_placed_total{priority="normal"}')).toBe(0);
    await place(ONE_TEA, { 'idempotency-key': 'once' });
    expect((await place(ONE_TEA, { 'idempotency-key': 'once' })).headers.get('idempotent-replayed')).toBe(
      'true',
    );
    expect((await place({ lines: [{ sku: 'TEA', quantity: 1_000 }] })).status).toBe(409);
    const orders = [{ ...ONE_TEA, priority: 'high' }, ONE_TEA, { ...ONE_TEA, priority: 'high' }];
    const { results } = (await daybook.api('POST', '/orders/bulk', { body: { orders } })).body;
    for (const status of ['processing', 'confirmed', 'shipped'])
      await daybook.api('PATCH', `/orders/${results[0].order.id}`, { body: { status } });
    await daybook.api('PATCH', `/orders/${results[1].order.id}`, { body: { status: 'cancelled' } });
    expect(
      (await daybook.api('PATCH', `/orders/${results[1].order.id}`, { body: { status: 'shipped' } })).status,
    ).toBe(409);
    const after = await look();
    expect(after('daybook_orders_placed_total{priority="normal"}')).toBe(2);
    expect(after('daybook_orders_placed_total{priority="high"}')).toBe(2);
    const moves = ['pending processing', 'processing confirmed', 'confirmed shipped', 'pending cancelled'];
    for (const [from, to] of moves.map((move) => move.split(' ')))
      expect([from, to, after(`daybook_order_transitions_total{from="${from}",to="${to}"}`)]).toEqual([
        from,
        to,
        1,
      ]);
    expect(after('daybook_order_transitions_total{from="shipped",to="delivered"}')).toBe(0);
  });

  it('with reservations is counted by their end, and the database tells how many there are', async () => {
    const reserve = async () =>
      (await daybook.api('POST', '/reservations', { body: ONE_TEA })).body.id as string;
    const [consumed, released] = [await reserve(), await reserve(), await reserve(), await reserve()];
    await place({ reservationId: consumed });
    await daybook.api('POST', `/reservations/${released}/release`);
    const before = await look();
    expect(before('daybook_reservations_active')).toBe(2);
    expect(before('daybook_reservations_overdue')).toBe(0);
    await daybook.database.shiftTime('1 day');
    const due = await look();
    expect(due('daybook_reservations_active')).toBe(0);
    expect(due('daybook_reservations_overdue')).toBe(2);
    expect(due('daybook_reservations_ended_total{status="expired"}')).toBe(0);
    await daybook.api('POST', '/admin/jobs/expire-reservations/run', { token: daybook.tokens.admin });
    const after = await look();
    expect(after('daybook_reservations_overdue')).toBe(0);
    expect(after('daybook_reservations_created_total')).toBe(4);
    for (const [status, count] of Object.entries({ consumed: 1, released: 1, expired: 2 }))
      expect([status, after(`daybook_reservations_ended_total{status="${status}"}`)]).toEqual([
        status,
        count,
      ]);
  });

  it('over HTTP is counted by method, route and status', async () => {
    await place();
    await place({ lines: [] });
    await daybook.api('GET', '/orders/20990101-00001');
    await daybook.api('GET', '/orders?limit=3');
    await request(daybook.origin, 'GET', '/api/v1/orders');
    await request(daybook.origin, 'GET', '/%zz');
    const after = await look();
    const count = (method: string, route: string, status: number) =>
      after(
        `daybook_http_request_duration_seconds_count{method="${method}",route="${route}",status="${status}"}`,
      );
    expect(count('POST', '/api/v1/orders', 201)).toBe(1);
    expect(count('POST', '/api/v1/orders', 400)).toBe(1);
    expect(count('GET', '/api/v1/orders/:id', 404)).toBe(1);
    expect(count('GET', '/api/v1/orders', 200)).toBe(1);
    expect(count('GET', '/api/v1/orders', 401)).toBe(1);
    expect(count('GET', 'unknown', 400)).toBe(1);
  });
});

describe('the queue of a group commit', () => {
  beforeEach(() => start());

  it('is told with the sizes of its batches and the connections they take', async () => {
    await holdStock();
    const orders = [place()];
    await transactionsWait(1);
    orders.push(place());
    await transactionsWait(2);
    orders.push(place(), place(), place());
    await untilMetric('daybook_group_commit_queue_length{command="place-order"}', 3);
    const held = await look();
    expect(held('daybook_group_commit_batch_size_count{command="place-order"}')).toBe(0);
    expect(held('daybook_database_pool_connections{pool="main",state="busy"}')).toBe(2);
    await release();
    await Promise.all(orders);
    const after = await look();
    expect(after('daybook_group_commit_queue_length{command="place-order"}')).toBe(0);
    expect(after('daybook_group_commit_batch_size_bucket{le="1",command="place-order"}')).toBe(2);
    expect(after('daybook_group_commit_batch_size_count{command="place-order"}')).toBe(3);
    expect(after('daybook_group_commit_batch_size_sum{command="place-order"}')).toBe(5);
    expect(after('daybook_group_commit_batch_duration_seconds_count{command="place-order"}')).toBe(3);
    expect(after('daybook_group_commit_batch_size_count{command="create-product"}')).toBe(1);
  });

  it('tells of the commands it refused', async () => {
    const refused = async (code: string) =>
      (await readAll()).get(`daybook_group_commit_refused_total{command="place-order",code="${code}"}`);
    expect(await refused('overloaded')).toBe(0);
    await daybook.app.get(WritePath).drain();
    expectProblem(await place(), 503, 'overloaded');
    expect(await refused('overloaded')).toBe(1);
    expect(await refused('database_unavailable')).toBe(0);
  });
});

describe('a request whose client goes away', () => {
  beforeEach(() => start());

  it.each([1, 3])('is not in flight any more (%s on the connection), and never twice', async (pipelined) => {
    await holdStock();
    const body = JSON.stringify(ONE_TEA);
    const head = [
      'POST /api/v1/orders HTTP/1.1',
      'host: daybook',
      `authorization: Bearer ${daybook.tokens.alice}`,
      'content-type: application/json',
      `content-length: ${body.length}`,
    ];
    const client = connect(Number(new URL(daybook.origin).port), '127.0.0.1');
    client.write(`${head.join('\r\n')}\r\n\r\n${body}`.repeat(pipelined));
    await transactionsWait(1);
    await untilMetric('daybook_http_requests_in_flight', 1 + pipelined);
    client.resetAndDestroy();
    await untilMetric('daybook_http_requests_in_flight', 1);
    await release();
    await waitFor('the orders to be placed all the same', async () => {
      const seen = await look();
      return seen('daybook_orders_placed_total{priority="normal"}') === pipelined && seen;
    });
    // All that was sent behind the client's back has been tried by now.
    await daybook.app.get(WritePath).drain();
    const after = await look();
    expect(after('daybook_http_requests_in_flight')).toBe(1);
    expect(after(`daybook_http_request_duration_seconds_count{${CLIENT_GONE}}`)).toBe(pipelined);
    expect(after(`daybook_http_request_duration_seconds_count{${CLIENT_GONE.replace('499', '201')}}`)).toBe(
      0,
    );
  });
});

describe('when the connections to the database run out', () => {
  it('the metrics of the process are told all the same, and say so', async () => {
    await start({ DATABASE_POOL_SIZE: '4' });
    const receive = () =>
      daybook.api('POST', '/stock-adjustments', {
        body: { sku: 'TEA', quantityDelta: 1, reason: 'received' },
      });
    await holdStock();
    const received = Array.from({ length: 4 }, receive);
    await transactionsWait(4);
    const reading = daybook.api('GET', '/orders');
    const seen = await look();
    expect(seen('daybook_database_pool_connections{pool="main",state="busy"}')).toBe(4);
    expect(seen('daybook_database_pool_connections{pool="main",state="idle"}')).toBe(0);
    expect(seen('daybook_database_pool_connections_max{pool="main"}')).toBe(4);
    expect(seen('daybook_database_pool_waiting{pool="main"}')).toBeGreaterThanOrEqual(1);
    expect(seen('daybook_gauge_readers_failed')).toBeGreaterThanOrEqual(1);
    await release();
    await Promise.all([...received, reading]);
    const after = await look();
    expect(after('daybook_database_pool_waiting{pool="main"}')).toBe(0);
    expect(after('daybook_gauge_readers_failed')).toBe(0);
  });
});
