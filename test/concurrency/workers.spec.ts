import pg from 'pg';

import { ORDER_PROCESSOR, type OrderProcessor } from '@daybook/processing';

import { startTestApp, type TestApp } from '../support/app.js';
import { expectHealthy } from '../support/doctor.js';
import { expectStatus, type Fleet, startFleet } from '../support/fleet.js';
import { type ServerProcess, startServerProcess } from '../support/server-process.js';
import { waitFor } from '../support/wait-for.js';

/** Longer than any test: what depends on it does not happen. */
const NEVER = { WORKER_LEASE_SECONDS: '300' };
const SOON = { WORKER_LEASE_SECONDS: '3' };
const HOURS_MS = 600_000;

type Query = Fleet['database']['query'];

/** What the journal tells of an order: `1 abandoned > pending` for the end of its first attempt. */
async function historyOf(query: Query, id: string): Promise<string[]> {
  const rows = await query<{ step: string }>(
    `SELECT concat_ws(' ', data -> 'attempt' ->> 'number', data -> 'attempt' ->> 'outcome', '>', data -> 'after' ->> 'status')
       AS step
     FROM journal WHERE entity_id = $1 ORDER BY version`,
    [id],
  );
  return rows.map(({ step }) => step);
}

/** The jobs of an order, and how often each was tried before. */
function jobsOf(query: Query, id: string): Promise<object[]> {
  return query(
    `SELECT name, state::text, retry_count AS retries FROM pgboss.job WHERE data ->> 'orderId' = $1 ORDER BY name`,
    [id],
  );
}

const untilAll = (query: Query, ids: readonly string[], status: string) =>
  waitFor(`${ids.length} orders to be ${status}`, async () => {
    const rows = await query<{ number: string }>(
      `SELECT (id / 10000000000) || '-' || lpad((id % 10000000000)::text, 5, '0') AS number FROM orders WHERE status = $1`,
      [status],
    );
    const numbers = new Set(rows.map(({ number }) => number));
    return ids.every((id) => numbers.has(id));
  });

describe('a worker process', () => {
  let fleet: Fleet;
  let workers: ServerProcess[];
  beforeAll(async () => {
    fleet = await startFleet([{}]);
    await fleet.createProduct('TEA', 1_000_000);
  });
  beforeEach(() => (workers = []));
  afterEach(async () => {
    await Promise.all(workers.map((worker) => worker.end('SIGKILL')));
    await expectHealthy(fleet.database.url);
  });
  afterAll(() => fleet.stop());

  const { query, history, jobs, until } = {
    query: ((text, values) => fleet.database.query(text, values)) as Query,
    history: (id: string) => historyOf(query, id),
    jobs: (id: string) => jobsOf(query, id),
    until: (ids: readonly string[], status: string) => untilAll(query, ids, status),
  };

  async function startWorker(environment: NodeJS.ProcessEnv): Promise<ServerProcess> {
    const { url } = fleet.database;
    const worker = await startServerProcess({ DATABASE_URL: url, DAYBOOK_ROLES: 'worker', ...environment });
    workers.push(worker);
    return worker;
  }

  function placeMany(count: number, processingTimeMs: number): Promise<string[]> {
    const body = { lines: [{ sku: 'TEA', quantity: 1 }], processingTimeMs };
    return Promise.all(
      Array.from({ length: count }, async () => {
        const { body: order } = await expectStatus(201, fleet.ask(0, 'POST', '/orders', { body }));
        return order.id as string;
      }),
    );
  }

  const place = async (processingTimeMs: number) => (await placeMany(1, processingTimeMs))[0] as string;

  const move = (id: string, status: string) =>
    expectStatus(200, fleet.ask(0, 'PATCH', `/orders/${id}`, { body: { status } }));

  it('that was paused beyond its lease is refused its late result: the order has one outcome', async () => {
    const sleeper = await startWorker(SOON);
    const id = await place(2_000);
    await until([id], 'processing');
    sleeper.child.kill('SIGSTOP');
    await startWorker(SOON);
    await until([id], 'confirmed');
    sleeper.child.kill('SIGCONT');
    await waitFor('the one that was paused to be told', () =>
      /A late result was refused|An order is in other hands/.test(sleeper.output()),
    );
    expect(await history(id)).toEqual([
      '> pending',
      '1 > processing',
      '1 abandoned > pending',
      '2 > processing',
      '2 confirmed > confirmed',
    ]);
    expect(await jobs(id)).toEqual([]);
  });

  it('that is killed has its orders picked up by others', async () => {
    const victim = await startWorker({ ...SOON, WORKER_COUNT: '3' });
    const ids = await placeMany(3, 1_000);
    await until(ids, 'processing');
    const killed = victim.end('SIGKILL');
    await startWorker(SOON);
    await killed;
    await until(ids, 'confirmed');
    for (const id of ids)
      expect(await history(id)).toEqual([
        '> pending',
        '1 > processing',
        '1 abandoned > pending',
        '2 > processing',
        '2 confirmed > confirmed',
      ]);
  });

  describe('that is told to stop', () => {
    it('finishes the orders it has, and begins no other', async () => {
      const worker = await startWorker({ ...NEVER, WORKER_COUNT: '3' });
      const ids = await placeMany(3, 1_000);
      await until(ids, 'processing');
      const waiting = await place(0);
      expect(await worker.end('SIGTERM')).toBe(0);
      for (const id of ids)
        expect(await history(id)).toEqual(['> pending', '1 > processing', '1 confirmed > confirmed']);
      expect(await history(waiting)).toEqual(['> pending']);
      await startWorker(NEVER);
      await until([waiting], 'confirmed');
    });

    it.each(['0', '1'])(
      'hands back what takes longer than its %s seconds of grace, as if it had not been begun',
      async (graceSeconds) => {
        const worker = await startWorker({ ...NEVER, WORKER_GRACE_SECONDS: graceSeconds });
        const ids = await placeMany(3, 2_500);
        await until(ids, 'processing');
        expect(await worker.end('SIGTERM')).toBe(0);
        for (const id of ids) {
          expect(await history(id)).toEqual(['> pending', '1 > processing', '1 handed_back > pending']);
          expect(await jobs(id)).toEqual([{ name: 'orders', state: 'created', retries: 0 }]);
        }
        // Long before the lease is over.
        await startWorker(NEVER);
        await until(ids, 'confirmed');
        for (const id of ids)
          expect((await history(id)).slice(3)).toEqual(['1 > processing', '1 confirmed > confirmed']);
        expect(worker.output()).not.toMatch(/"level":"(error|fatal)"/);
      },
    );
  });

  describe('whose order is moved by hand', () => {
    it('to failed, loses it', async () => {
      const worker = await startWorker(SOON);
      const id = await place(HOURS_MS);
      await until([id], 'processing');
      await move(id, 'failed');
      await waitFor('the worker to notice', () => worker.output().includes('An order is in other hands'));
      expect(await history(id)).toEqual(['> pending', '1 > processing', '> failed']);
      expect(await jobs(id)).toEqual([]);
    });

    it('to pending, loses it to whoever takes it next', async () => {
      const worker = await startWorker({ ...SOON, WORKER_COUNT: '2' });
      const id = await place(HOURS_MS);
      await until([id], 'processing');
      await move(id, 'pending');
      await waitFor('the worker to notice', () => worker.output().includes('An order is in other hands'));
      await until([id], 'processing');
      expect(await history(id)).toEqual(['> pending', '1 > processing', '> pending', '1 > processing']);
      await move(id, 'failed');
    });
  });

  it('gives signs of life for its orders while one of them is just being settled', async () => {
    await startWorker(SOON);
    const ids = await placeMany(2, HOURS_MS);
    await until(ids, 'processing');
    const settling = new pg.Client({ connectionString: fleet.database.url });
    await settling.connect();
    await settling.query(
      `BEGIN; SELECT FROM pgboss.job WHERE name = 'orders' AND data ->> 'orderId' = '${ids[0]}' FOR UPDATE`,
    );
    const signOfLife = async () => {
      const [job] = await query<{ heartbeat: Date }>(
        `SELECT heartbeat_on AS heartbeat FROM pgboss.job WHERE data ->> 'orderId' = $1`,
        [ids[1]],
      );
      return job?.heartbeat.getTime() ?? 0;
    };
    const before = await signOfLife();
    const later = await waitFor('the other to be told alive', async () => {
      const heartbeat = await signOfLife();
      return heartbeat > before && heartbeat;
    });
    expect(later).toBeGreaterThan(before);
    await settling.end();
    for (const id of ids) await move(id, 'failed');
  });

  it('an order that is cancelled before its turn is not begun', async () => {
    const id = await place(0);
    expect(await jobs(id)).toEqual([{ name: 'orders', state: 'created', retries: 0 }]);
    await move(id, 'cancelled');
    expect(await jobs(id)).toEqual([]);
    await startWorker(NEVER);
    await until([await place(0)], 'confirmed');
    expect(await history(id)).toEqual(['> pending', '> cancelled']);
  });

  it('orders that are cancelled while workers take them are either cancelled or done, without a deadlock', async () => {
    const crew = await Promise.all([1, 2].map(() => startWorker({ ...NEVER, WORKER_COUNT: '5' })));
    const ids = (await placeMany(400, 10)).toSorted();
    await until(ids.slice(0, 1), 'confirmed');
    const answers = new Set<number>();
    const left = [...ids];
    // From the front, where workers take orders just now, and from the back, where they have not come to yet.
    const cancelFrom = async (next: () => string | undefined) => {
      for (let id = next(); id !== undefined; id = next()) {
        const options = { body: { status: 'cancelled' }, headers: { 'if-match': '"1"' } };
        const { status } = await fleet.ask(0, 'PATCH', `/orders/${id}`, options);
        answers.add(status);
      }
    };
    const front = Array.from({ length: 4 }, () => cancelFrom(() => left.shift()));
    const back = Array.from({ length: 4 }, () => cancelFrom(() => left.pop()));
    await Promise.all([...front, ...back]);
    const counts = await waitFor('the end of the work', async () => {
      const rows = await query<{ status: string }>(
        'SELECT status FROM orders WHERE id >= $1 GROUP BY status ORDER BY status',
        [ids[0]?.replace('-', '00000')],
      );
      return rows.every(({ status }) => status === 'confirmed' || status === 'cancelled') && rows;
    });
    // Otherwise they have not met.
    expect(answers).toEqual(new Set([200, 412]));
    expect(counts.map(({ status }) => status)).toEqual(['cancelled', 'confirmed']);
    expect(await query(`SELECT FROM pgboss.job WHERE name = 'orders'`)).toEqual([]);
    for (const worker of [...crew, ...fleet.servers])
      expect(worker.output()).not.toMatch(/"level":"(error|fatal)"|deadlock/);
    expect(
      await query('SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()'),
    ).toEqual([{ deadlocks: 0 }]);
  });
});

describe('an order that no attempt can do', () => {
  const { jest } = import.meta;
  let daybook: TestApp;
  beforeAll(async () => {
    daybook = await startTestApp({
      DAYBOOK_ROLES: 'api,worker',
      WORKER_COUNT: '1',
      ORDER_PROCESS_ATTEMPTS: '2',
      ORDER_RETRY_DELAY_SECONDS: '2',
      LOG_LEVEL: 'error',
    });
    for (const sku of ['TEA', 'POISON']) await daybook.createProduct(sku, 100);
  });
  afterAll(async () => {
    await expectHealthy(daybook.database.url);
    await daybook.stop();
  });

  const place = async (sku: string) => {
    const body = { lines: [{ sku, quantity: 1 }], processingTimeMs: 0 };
    return (await expectStatus(201, daybook.api('POST', '/orders', { body }))).body.id as string;
  };
  const allocated = async () => (await daybook.api('GET', '/products/POISON/stock')).body.allocated as number;

  it('holds up no other, ends among the dead, and is done when an operator starts it afresh', async () => {
    const { query } = daybook.database;
    const processor = daybook.app.get<OrderProcessor>(ORDER_PROCESSOR);
    const process = processor.process.bind(processor);
    const poisoned = jest.spyOn(processor, 'process').mockImplementation((order, context) => {
      if (order.lines.some(({ sku }) => sku === 'POISON')) throw new Error('It is poison');
      return process(order, context);
    });
    const poison = await place('POISON');
    const others = await Promise.all(Array.from({ length: 20 }, () => place('TEA')));
    await untilAll(query, [poison], 'failed');
    const ended = await query<{ number: string }>(
      `SELECT entity_id AS number FROM journal WHERE data -> 'after' ->> 'status' IN ('confirmed', 'failed')
       ORDER BY position`,
    );
    expect(ended.map(({ number }) => number).toSorted()).toEqual([poison, ...others].toSorted());
    expect(ended.at(-1)).toEqual({ number: poison });
    expect(await historyOf(query, poison)).toEqual([
      '> pending',
      '1 > processing',
      '1 failed > pending',
      '2 > processing',
      '2 failed > failed',
    ]);
    expect(await jobsOf(query, poison)).toEqual([{ name: 'orders-dead', state: 'created', retries: 0 }]);
    expect(await query(`SELECT data FROM pgboss.job WHERE name = 'orders-dead'`)).toEqual([
      { data: { orderId: poison, attempts: 2, reason: 'It is poison' } },
    ]);
    expect(await allocated()).toBe(0);

    poisoned.mockRestore();
    await expectStatus(200, daybook.api('PATCH', `/orders/${poison}`, { body: { status: 'pending' } }));
    await untilAll(query, [poison], 'confirmed');
    expect((await historyOf(query, poison)).slice(5)).toEqual([
      '> pending',
      '1 > processing',
      '1 confirmed > confirmed',
    ]);
    expect(await jobsOf(query, poison)).toEqual([]);
    expect(await allocated()).toBe(1);
  });
});
