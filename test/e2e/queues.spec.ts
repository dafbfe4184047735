import { ProcessingRefused } from '@daybook/processing';
import pg from 'pg';

import { request, startTestApp, type TestApp, withTestApp } from '../support/app.js';
import { expectHealthy } from '../support/doctor.js';
import { expectProblem } from '../support/problem.js';
import { processWith } from '../support/processor.js';
import { rowsRead } from '../support/rows-read.js';
import { waitFor } from '../support/wait-for.js';

const CLAIM_LOCK = 7_237_010;
const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as string;

let daybook: TestApp;
afterEach(async () => {
  await expectHealthy(daybook.database.url);
  await daybook.stop();
});

async function start(roles: string, environment: NodeJS.ProcessEnv = {}): Promise<void> {
  daybook = await startTestApp({ DAYBOOK_ROLES: roles, ...environment });
  processWith(daybook, async () => undefined);
  await daybook.createProduct('TEA', 100);
}

const asAdmin = (method: string, path: string, body?: unknown) =>
  daybook.api(method, `/admin/queues${path}`, {
    token: daybook.tokens.admin,
    ...(body !== undefined && { body }),
  });

async function placeOrder(order: object = {}): Promise<string> {
  const { status, body, text } = await daybook.api('POST', '/orders', {
    body: { lines: [{ sku: 'TEA', quantity: 1 }], ...order },
  });
  if (status !== 201) throw new Error(text);
  return body.id;
}

const statusOf = async (id: string): Promise<string> =>
  (await daybook.api('GET', `/orders/${id}`)).body.status;
const whenStatus = (id: string, status: string) =>
  waitFor(`${id} to be ${status}`, async () => (await statusOf(id)) === status);

/** Places orders one after the other that no worker can process. */
async function makeDeadOrders(count: number, reason = 'No such street'): Promise<string[]> {
  processWith(daybook, async () => {
    throw new ProcessingRefused(reason);
  });
  const ids: string[] = [];
  for (let n = 0; n < count; n += 1) {
    const id = await placeOrder();
    await whenStatus(id, 'failed');
    ids.push(id);
  }
  processWith(daybook, async () => undefined);
  return ids;
}

async function queues() {
  const { status, body } = await asAdmin('GET', '');
  expect(status).toBe(200);
  return body.data;
}

/** A processor that keeps every order until it is let go. */
function holdOrders() {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  processWith(daybook, () => promise);
  return { letGo: () => resolve(undefined) };
}

/** Resolves when so many worker processes have looked for orders since it was called. */
async function whenWorkersHaveLooked(workers: number): Promise<void> {
  const keeper = new pg.Client({ connectionString: daybook.database.url });
  await keeper.connect();
  try {
    const lock = `BEGIN; SELECT pg_advisory_xact_lock(${CLAIM_LOCK})`;
    await keeper.query(lock);
    await whenWaitingForLock(workers);
    // Behind those who wait now: this is granted when they are done.
    await keeper.query(`COMMIT; ${lock}`);
  } finally {
    await keeper.end();
  }
}

const whenWaitingForLock = (count: number) =>
  waitFor(`${count} who wait`, async () => {
    const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'`;
    return (await daybook.database.query(waiting)).length >= count;
  });

describe('the list of queues', () => {
  it('tells what waits, by priority and by whether it is its turn, and for how long', async () => {
    await start('api');
    const [first, later] = [await placeOrder(), await placeOrder()];
    await placeOrder({ priority: 'high' });
    const set = (id: string, what: string) =>
      daybook.database.query(`UPDATE pgboss.job SET ${what} WHERE data ->> 'orderId' = $1`, [id]);
    await set(first, `created_on = now() - interval '90.5 seconds'`);
    await set(later, `start_after = now() + interval '1 hour'`);
    expect(await queues()).toEqual([
      {
        name: 'orders',
        depth: 3,
        ready: 2,
        retrying: 1,
        byPriority: [
          { priority: 'high', ready: 1, retrying: 0 },
          { priority: 'normal', ready: 1, retrying: 1 },
        ],
        active: 0,
        dead: 0,
        oldestSeconds: 90,
        pausedAt: null,
        pausedBy: null,
      },
      {
        name: 'orders-dead',
        depth: 0,
        ready: 0,
        retrying: 0,
        byPriority: [],
        active: 0,
        dead: 0,
        oldestSeconds: null,
        pausedAt: null,
        pausedBy: null,
      },
    ]);
  });

  it('tells what is with a worker, and what has failed', async () => {
    await start('api,worker');
    await makeDeadOrders(2);
    const held = holdOrders();
    const id = await placeOrder();
    await whenStatus(id, 'processing');
    expect(await queues()).toMatchObject([
      { name: 'orders', depth: 0, active: 1, dead: 2, oldestSeconds: null },
      { name: 'orders-dead', depth: 2, ready: 0, active: 0, dead: 0, oldestSeconds: expect.any(Number) },
    ]);
    await expectHealthy(daybook.database.url);
    held.letGo();
    await whenStatus(id, 'confirmed');
    expect(await queues()).toMatchObject([{ depth: 0, active: 0, dead: 2 }, { depth: 2 }]);
  });
});

describe('a paused queue', () => {
  it('gives nothing to any worker, in whatever process, until it is resumed', async () => {
    await start('api,worker');
    expect(await asAdmin('POST', '/orders/pause')).toMatchObject({
      status: 200,
      body: { name: 'orders', pausedAt: TIME, pausedBy: 'admin-1' },
    });
    const id = await placeOrder();
    const otherProcess = { DATABASE_URL: daybook.database.url, DAYBOOK_ROLES: 'worker' };
    await withTestApp(otherProcess, () => whenWorkersHaveLooked(2));
    expect(await statusOf(id)).toBe('pending');
    expect(await asAdmin('POST', '/orders/resume')).toMatchObject({
      status: 200,
      body: { name: 'orders', pausedAt: null, pausedBy: null },
    });
    await whenStatus(id, 'confirmed');
  });

  it('stays as it is when it is paused again, and so does one that is resumed again; both are journaled once', async () => {
    await start('api');
    const { body: paused } = await asAdmin('POST', '/orders/pause');
    await daybook.database.shiftTime('1 minute');
    const again = await daybook.api('POST', '/admin/queues/orders/pause', { token: daybook.tokens.admin });
    expect(again).toMatchObject({ status: 200, body: paused });
    expect((await queues())[0]).toMatchObject(paused);
    await asAdmin('POST', '/orders/resume');
    await asAdmin('POST', '/orders/resume');
    const journal = `SELECT actor, type, entity_id, version, data FROM journal WHERE entity_type = 'queue' ORDER BY position`;
    const row = { actor: 'admin-1', entity_id: 'orders', version: null };
    const [on, off] = [{ paused: true }, { paused: false }];
    expect(await daybook.database.query(journal)).toEqual([
      { ...row, type: 'queue.paused', data: { before: off, after: on } },
      { ...row, type: 'queue.resumed', data: { before: on, after: off } },
    ]);
  });

  it('is answered only when those who were just taking orders have taken them', async () => {
    await start('api');
    const worker = new pg.Client({ connectionString: daybook.database.url });
    await worker.connect();
    try {
      await worker.query(`BEGIN; SELECT pg_advisory_xact_lock_shared(${CLAIM_LOCK})`);
      let isAnswered = false;
      const answer = asAdmin('POST', '/orders/pause').finally(() => (isAnswered = true));
      await whenWaitingForLock(1);
      expect(isAnswered).toBe(false);
      await worker.query('COMMIT');
      expect((await answer).status).toBe(200);
    } finally {
      await worker.end();
    }
  });
});

describe('draining', () => {
  it('pauses the queue and waits until what is under way has ended', async () => {
    await start('api,worker');
    const held = holdOrders();
    const id = await placeOrder();
    await whenStatus(id, 'processing');
    expect(await asAdmin('POST', '/orders/drain', { waitSeconds: 0 })).toMatchObject({
      status: 200,
      body: { drained: false, active: 1 },
    });
    expect((await queues())[0]).toMatchObject({ pausedBy: 'admin-1', active: 1 });
    const drained = asAdmin('POST', '/orders/drain');
    held.letGo();
    expect((await drained).body).toEqual({ drained: true, active: 0 });
    expect(await statusOf(id)).toBe('confirmed');
  });
});

describe('dead orders', () => {
  it('are listed page by page, oldest first, each with why and when', async () => {
    await start('api,worker');
    const ids = await makeDeadOrders(3, 'No such street');
    const first = await asAdmin('GET', '/orders/dead?limit=2');
    expect(first.body.data).toEqual(
      ids.slice(0, 2).map((orderId) => ({ orderId, attempts: 1, reason: 'No such street', failedAt: TIME })),
    );
    expect(first.headers.get('link')).toContain(first.body.nextCursor);
    const second = await asAdmin('GET', `/orders/dead?limit=2&cursor=${first.body.nextCursor}`);
    expect(second.body).toMatchObject({ data: [{ orderId: ids[2] }], nextCursor: null });
  });

  it('that failed at the same moment are all listed, and once', async () => {
    await start('api,worker');
    const ids = await makeDeadOrders(5);
    await daybook.database.query(`UPDATE pgboss.job SET created_on = '2026-11-21T12:00:00.123456Z'`);
    const seen: string[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const { body } = await asAdmin(
        'GET',
        `/orders/dead?limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`,
      );
      seen.push(...body.data.map(({ orderId }: { orderId: string }) => orderId));
      cursor = body.nextCursor;
    }
    expect(seen).toEqual(ids);
  });
});

describe('a redrive', () => {
  it('starts dead orders afresh, with stock and all their attempts, and journals who and why', async () => {
    await start('api,worker');
    const [id] = (await makeDeadOrders(1)) as [string];
    await asAdmin('POST', '/orders/pause');
    const { status, body } = await asAdmin('POST', '/orders/redrive', { reason: 'The street exists' });
    expect({ status, body }).toEqual({ status: 200, body: { redriven: [id], left: [] } });
    expect((await daybook.api('GET', '/products/TEA/stock')).body.allocated).toBe(1);
    expect(await queues()).toMatchObject([{ depth: 1, ready: 1, dead: 0 }, { depth: 0 }]);
    await asAdmin('POST', '/orders/resume');
    await whenStatus(id, 'confirmed');
    const audit = (await daybook.api('GET', `/orders/${id}/audit`)).body.data;
    expect(audit.slice(3)).toMatchObject([
      {
        actor: 'admin-1',
        data: { before: { status: 'failed' }, after: { status: 'pending' }, reason: 'The street exists' },
      },
      { actor: 'daybook', data: { after: { status: 'processing' }, attempt: { number: 1 } } },
      { actor: 'daybook', data: { after: { status: 'confirmed' }, attempt: { number: 1 } } },
    ]);
  });

  it('gives scarce stock to the oldest, and says of each order that it left why', async () => {
    await start('api,worker');
    const [first, second, third, moved] = await makeDeadOrders(4);
    await daybook.api('POST', '/stock-adjustments', {
      body: { sku: 'TEA', quantityDelta: -98, reason: 'sold out' },
    });
    await asAdmin('POST', '/orders/pause');
    // As if somebody moved it after it was looked up.
    await daybook.database.query(`UPDATE orders SET status = 'cancelled' WHERE id = $1`, [
      `${moved?.slice(0, 8)}${moved?.slice(9).padStart(10, '0')}`,
    ]);
    expect((await asAdmin('POST', '/orders/redrive')).body).toEqual({
      redriven: [first, second],
      left: [
        {
          orderId: third,
          code: 'insufficient_stock',
          detail: expect.stringContaining('TEA: 1 requested, 0 available'),
          lines: [{ sku: 'TEA', requested: 1, available: 0 }],
        },
        {
          orderId: moved,
          code: 'illegal_transition',
          detail: expect.any(String),
          from: 'cancelled',
          to: 'pending',
          allowed: [],
        },
      ],
    });
    await daybook.database.query(`UPDATE orders SET status = 'failed' WHERE status = 'cancelled'`);
  });

  it('takes so many as it is told, or those it is told', async () => {
    await start('api,worker');
    const ids = await makeDeadOrders(4);
    await asAdmin('POST', '/orders/pause');
    expect((await asAdmin('POST', '/orders/redrive', { limit: 1 })).body).toEqual({
      redriven: [ids[0]],
      left: [],
    });
    const orderIds = [ids[3], ids[0], ids[2], ids[3]];
    expect((await asAdmin('POST', '/orders/redrive', { orderIds, limit: 1 })).body).toEqual({
      redriven: [ids[2], ids[3]],
      left: [{ orderId: ids[0], code: 'not_dead', detail: expect.any(String) }],
    });
    expect((await asAdmin('GET', '/orders/dead')).body.data).toMatchObject([{ orderId: ids[1] }]);
  });

  it('says of an order that it is unknown what became of it, and may be repeated', async () => {
    await start('api,worker');
    const [id] = (await makeDeadOrders(1)) as [string];
    await asAdmin('POST', '/orders/pause');
    await daybook.database.query(`
      CREATE FUNCTION break_off() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;
      CREATE CONSTRAINT TRIGGER broken_off_at_commit AFTER UPDATE ON orders
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION break_off()`);
    expect((await asAdmin('POST', '/orders/redrive')).body).toEqual({
      redriven: [],
      left: [{ orderId: id, code: 'outcome_unknown', detail: expect.stringContaining('it is unknown') }],
    });
    await daybook.database.query('DROP FUNCTION break_off CASCADE');
    expect((await asAdmin('POST', '/orders/redrive')).body).toEqual({ redriven: [id], left: [] });
  });

  it('looks at the orders it is told alone, however many dead ones there are', async () => {
    await start('api');
    await daybook.database.query(
      `INSERT INTO pgboss.job (id, name, data)
       SELECT job_id_of(n), 'orders-dead', '{"orderId": "20200101-00001"}' FROM generate_series(202001010000000001, 202001010000010000) AS n`,
    );
    const ask = () => asAdmin('POST', '/orders/redrive', { orderIds: ['20200101-00001', '20210101-00001'] });
    // Nobody has told PostgreSQL yet how many there are.
    expect(await rowsRead(/pgboss\.job/, ask)).toEqual([1]);
    await daybook.database.query('ANALYZE pgboss.job');
    expect(await rowsRead(/pgboss\.job/, ask)).toEqual([1]);
    await daybook.database.query('DELETE FROM pgboss.job');
  });

  it('that is asked for by many at once starts each order once', async () => {
    await start('api,worker');
    const ids = await makeDeadOrders(6);
    await asAdmin('POST', '/orders/pause');
    const answers = await Promise.all(
      Array.from({ length: 4 }, () => asAdmin('POST', '/orders/redrive', {})),
    );
    expect(answers.flatMap(({ body }) => body.redriven).sort()).toEqual(ids);
    expect(await queues()).toMatchObject([{ depth: 6, dead: 0 }, {}]);
  });
});

describe('what makes no sense', () => {
  it('is refused: dead orders are not worked off, and other queues do not exist', async () => {
    await start('api');
    const asks: [method: string, verb: string, body?: object][] = [
      ['POST', 'pause'],
      ['POST', 'resume'],
      ['POST', 'drain', {}],
      ['POST', 'redrive', {}],
      ['GET', 'dead'],
    ];
    for (const [method, verb, body] of asks) {
      const problem = expectProblem(
        await asAdmin(method, `/orders-dead/${verb}`, body),
        409,
        'queue_not_worked_off',
      );
      expect(problem).toMatchObject({ queue: 'orders-dead', ask: 'orders' });
      expectProblem(await asAdmin(method, `/reports/${verb}`, body), 404, 'not_found');
    }
    expect(await queues()).toMatchObject([{ pausedAt: null }, { pausedAt: null }]);
  });
});

describe('the metrics', () => {
  it('tell what lies dead, and whether somebody has paused the queue', async () => {
    await start('api,worker');
    const samples = async () => {
      const { text } = await request(daybook.origin, 'GET', '/metrics');
      return text.split('\n').filter((line) => /^daybook_queue_(dead|paused) /.test(line));
    };
    expect(await samples()).toEqual(['daybook_queue_dead 0', 'daybook_queue_paused 0']);
    await makeDeadOrders(2);
    await asAdmin('POST', '/orders/pause');
    expect(await samples()).toEqual(['daybook_queue_dead 2', 'daybook_queue_paused 1']);
    expect((await asAdmin('POST', '/orders/drain')).status).toBe(200);
    expect((await asAdmin('POST', '/orders/redrive')).status).toBe(200);
    await asAdmin('POST', '/orders/resume');
    expect(await samples()).toEqual(['daybook_queue_dead 0', 'daybook_queue_paused 0']);
  });
});
