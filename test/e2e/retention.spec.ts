import { setTimeout as pause } from 'node:timers/promises';

import { DetachInterrupted, PartitionRetention } from '@daybook/platform';
import { DataSource } from 'typeorm';

import { startTestApp, type TestApp } from '../support/app.js';
import { expectHealthy, findingsIn } from '../support/doctor.js';
import { expectProblem } from '../support/problem.js';
import { runJob } from '../support/run-job.js';
import { waitFor } from '../support/wait-for.js';

let daybook: TestApp;

beforeEach(async () => {
  // Without a scheduler: the months that this file lets pass would set off every job.
  daybook = await startTestApp({ RETENTION_MONTHS: '2', DAYBOOK_ROLES: 'api', LOG_LEVEL: 'fatal' });
  await daybook.createProduct('TEA', 1_000);
});
afterEach(() => daybook.stop());

const makeItBe = (time: string) =>
  daybook.database.shiftTime(`${Date.parse(time) - Date.now()} milliseconds`);

async function place(body: object = {}, headers: Record<string, string> = {}): Promise<string> {
  const answer = await daybook.api('POST', '/orders', {
    body: { lines: [{ sku: 'TEA', quantity: 1 }], customerId: 'alice', ...body },
    headers,
  });
  expect(answer.status).toBe(201);
  return answer.body.id;
}

async function move(id: string, ...statuses: string[]): Promise<void> {
  for (const status of statuses) {
    expect((await daybook.api('PATCH', `/orders/${id}`, { body: { status } })).status).toBe(200);
  }
}

const deliver = (id: string) => move(id, 'processing', 'confirmed', 'shipped', 'delivered');

const detach = () => runJob(daybook.app.get(PartitionRetention), daybook.app.get(DataSource));

const expectToStay = (partition: string) =>
  expect(detach()).rejects.toThrow(`These months stay: ${partition} (orders that claim stock: 1)`);

const attached = async (table: string) =>
  (
    await daybook.database.query<{ month: string }>(
      `SELECT right(inhrelid::regclass::text, 6) AS month FROM pg_inherits
       WHERE inhparent = $1::regclass AND right(inhrelid::regclass::text, 6) BETWEEN '203001' AND '203006' ORDER BY 1`,
      [table],
    )
  ).map(({ month }) => month);

interface Books {
  /** Delivered in January. */
  readonly january: string;
  /** Placed on the last of January, delivered in February. */
  readonly between: string;
  /** Placed in February, and never touched again. */
  readonly open: string;
  /** Placed in February, cancelled in March. */
  readonly cancelled: string;
  readonly april: string;
}

/** Half a year of orders; it is June when they are written. */
async function fillBooks(): Promise<Books> {
  await makeItBe('2030-01-10T12:00:00Z');
  const january = await place({ clientOrderId: 'cart-1' }, { 'idempotency-key': 'key-1' });
  await deliver(january);
  await makeItBe('2030-01-31T23:59:00Z');
  const between = await place();
  await makeItBe('2030-02-10T12:00:00Z');
  await deliver(between);
  const open = await place();
  const cancelled = await place();
  await makeItBe('2030-03-10T12:00:00Z');
  await move(cancelled, 'cancelled');
  await deliver(await place());
  await makeItBe('2030-04-10T12:00:00Z');
  const april = await place({ clientOrderId: 'cart-4' });
  await makeItBe('2030-06-10T12:00:00Z');
  await place();
  return { january, between, open, cancelled, april };
}

describe('months that are older than RETENTION_MONTHS', () => {
  it('leave with their orders, except the one in which an order still claims stock', async () => {
    const { january, open, april } = await fillBooks();
    await expectToStay('orders_203002');
    expect(await attached('orders')).toEqual(['203002', '203004', '203006']);
    expect(await attached('order_lines')).toEqual(['203002', '203004', '203006']);
    expect(await attached('order_allocations')).toEqual(['203002', '203004', '203006']);
    // All that may tell of the open order.
    expect(await attached('journal')).toEqual(['203001', '203002', '203003', '203004', '203006']);
    await expectHealthy(daybook.database.url);
    expect((await daybook.api('GET', `/orders/${open}`)).body.status).toBe('pending');
    expect((await daybook.api('GET', `/orders/${april}`)).body.lines).toHaveLength(1);
    expect((await daybook.api('GET', `/orders/${january}`)).status).toBe(404);
  });

  it('leave altogether when the last order in them is closed; their journal a month later', async () => {
    const { january, open } = await fillBooks();
    await expectToStay('orders_203002');
    await move(open, 'cancelled');
    await detach();
    expect(await attached('orders')).toEqual(['203004', '203006']);
    expect(await attached('journal')).toEqual(['203003', '203004', '203006']);
    await expectHealthy(daybook.database.url);
    const kept = `SELECT (SELECT count(*)::int FROM detached.orders_203001 WHERE status = 'delivered') AS orders,
      (SELECT count(*)::int FROM detached.journal_203001 WHERE entity_id = $1) AS entries`;
    expect(await daybook.database.query(kept, [january])).toEqual([{ orders: 2, entries: 5 }]);
  });

  it('can be detached again and again, month by month', async () => {
    const { open } = await fillBooks();
    await move(open, 'cancelled');
    await detach();
    await makeItBe('2030-07-10T12:00:00Z');
    await expectToStay('orders_203004');
    expect(await attached('journal')).toEqual(['203003', '203004', '203006']);
    await expectHealthy(daybook.database.url);
  });
});

describe('the job', () => {
  it('tells whoever runs it which month stayed, and why', async () => {
    await fillBooks();
    const asAdmin = { token: daybook.tokens.admin };
    const job = '/admin/jobs/detach-old-partitions';
    expect((await daybook.api('POST', `${job}/run`, asAdmin)).status).toBeLessThan(300);
    const run = await waitFor('the run to end', async () => {
      const { body } = await daybook.api('GET', `${job}/runs`, asAdmin);
      return body.data.find(({ result }: { result: string }) => result !== 'running');
    });
    expect(run).toMatchObject({
      result: 'failed',
      error: expect.stringContaining('These months stay: orders_203002 (orders that claim stock: 1)'),
    });
  });
});

describe('an order of a month that was detached', () => {
  it('is not there any more: 404, whatever is asked of it', async () => {
    const { january, between, open, cancelled } = await fillBooks();
    await move(open, 'cancelled');
    await detach();
    for (const id of [january, between, open, cancelled]) {
      for (const path of ['', '/status', '/transitions', '/audit']) {
        expectProblem(await daybook.api('GET', `/orders/${id}${path}`), 404, 'not_found');
      }
      const change = await daybook.api('PATCH', `/orders/${id}`, { body: { status: 'delivered' } });
      expectProblem(change, 404, 'not_found');
    }
    const list = await daybook.api('GET', '/orders?limit=200');
    expect(list.body.data).toHaveLength(2);
  });

  it('keeps its name: a retry years later does not place it again', async () => {
    const { january, open } = await fillBooks();
    await move(open, 'cancelled');
    await detach();
    const retry = await daybook.api('POST', '/orders', {
      body: { lines: [{ sku: 'TEA', quantity: 1 }], customerId: 'alice', clientOrderId: 'cart-1' },
    });
    expect(expectProblem(retry, 409, 'duplicate_client_order_id').detail).toContain(january);
  });
});

describe('the feed of events', () => {
  it('tells a reader who had not got so far what was detached, and lets all others read on', async () => {
    const { open } = await fillBooks();
    await move(open, 'cancelled');
    const entries = await daybook.database.query('SELECT FROM journal');
    // While anything is being written, the feed may end at a gap that is still open.
    const all = await waitFor('all events', async () => {
      const { data } = (await events('limit=200')).body as { data: { position: string }[] };
      return data.length === entries.length && data;
    });
    await detach();
    const [gone] = (await daybook.database.query(
      `SELECT max(position) AS "detachedTo" FROM (SELECT position FROM detached.journal_203001
       UNION ALL SELECT position FROM detached.journal_203002) AS entries`,
    )) as [{ detachedTo: string }];
    const left = all.filter(({ position }) => BigInt(position) > BigInt(gone.detachedTo));
    expect(left.length).toBeGreaterThan(5);
    const saved = all.at(-left.length - 2)?.position;
    expect(expectProblem(await events(`after=${saved}`), 410, 'events_detached')).toMatchObject(gone);
    expect((await events(`after=${gone.detachedTo}&limit=200`)).body.data).toEqual(left);
    expect((await events('limit=200')).body.data).toEqual(left);
    expect((await events(`after=${left[1]?.position}&limit=200`)).body.data).toEqual(left.slice(2));
  });

  const events = (query: string) => daybook.api('GET', `/events?${query}`);
});

describe('the doctor', () => {
  const findings = async () =>
    (await findingsIn(daybook.database.url)).map(({ check, examples }) => [check, ...examples]);
  const entry = (id: string) =>
    `INSERT INTO journal (occurred_at, actor, request_id, type, entity_type, entity_id, version, data) VALUES
     (business_now(), 'nobody', 'r', 'order.status_changed', 'order', '${id}', 1, '{}')`;

  it('misses what is missing from a month that is still there', async () => {
    const { open, april } = await fillBooks();
    await move(open, 'cancelled');
    await detach();
    await daybook.database.query(`
      DELETE FROM orders WHERE id / 1000000000000 = 203004;
      ${entry('20300310-00077')};
      ${entry('20300510-00077')}`);
    const found = await findings();
    expect(found).toContainEqual(['orders/lines-belong', `line 1 of order ${april}: there is no such order`]);
    expect(found).toContainEqual([
      'orders/client-order-ids',
      `cart-4 of alice leads to order ${april}, which is not called so`,
    ]);
    const [, ...nowhere] = found.find(([check]) => check === 'journal/entities-exist') as string[];
    expect(nowhere.map((example) => example.slice(-14))).toEqual([april, '20300510-00077']);
  });

  it('misses what is missing from a month that had to stay, although later ones left', async () => {
    const { open } = await fillBooks();
    await expectToStay('orders_203002');
    await daybook.database.query('DELETE FROM orders WHERE id / 1000000000000 = 203002');
    const found = await findings();
    expect(found.find(([check]) => check === 'orders/lines-belong')).toContainEqual(
      `line 1 of order ${open}: there is no such order`,
    );
    expect(found.find(([check]) => check === 'journal/entities-exist')).toContainEqual(
      expect.stringMatching(`^row \\d+ \\(order.placed\\): there is no order ${open}$`),
    );
  });

  it('misses the orders of a month whose partition was dropped, not detached', async () => {
    const { open } = await fillBooks();
    await move(open, 'cancelled');
    await detach();
    await daybook.database.query('DROP TABLE orders_203004');
    expect((await findings()).map(([check]) => check)).toEqual(
      expect.arrayContaining(['orders/lines-belong', 'orders/client-order-ids', 'journal/entities-exist']),
    );
  });

  it('takes no offence at a run that was cut short, wherever that was', async () => {
    const { open } = await fillBooks();
    await move(open, 'cancelled');
    await daybook.database.query(`INSERT INTO settings VALUES ('detached_until', '203001')`);
    await expectHealthy(daybook.database.url);
    for (const table of ['orders', 'order_lines', 'order_allocations', 'journal']) {
      await daybook.database.query(`ALTER TABLE ${table} DETACH PARTITION ${table}_203001`);
      await expectHealthy(daybook.database.url);
    }
    await detach();
    await expectHealthy(daybook.database.url);
  });
});

describe('while months are made and detached', () => {
  it('every order is placed, moved and found, and the books are in order at every moment', async () => {
    const { open } = await fillBooks();
    await move(open, 'cancelled');
    await daybook.database.query(
      `SELECT make_partitions('2029' || to_char(month, 'FM00')) FROM generate_series(10, 12) AS month`,
    );
    let isBusy = true;
    const answers: number[] = [];
    const work = async () => {
      while (isBusy) {
        const id = await place();
        answers.push((await daybook.api('GET', `/orders/${id}`)).status);
        answers.push((await daybook.api('PATCH', `/orders/${id}`, { body: { status: 'cancelled' } })).status);
        answers.push((await daybook.api('GET', '/orders')).status);
        answers.push((await daybook.api('GET', `/orders/${id}/audit`)).status);
      }
    };
    const workers = Array.from({ length: 8 }, work);
    const making = (async () => {
      for (let month = 1; isBusy; month = (month % 12) + 1) {
        const name = String(2031_00 + month);
        await daybook.database.query('SELECT make_partitions($1)', [name]);
        await pause(1);
      }
    })();
    const examining = (async () => {
      while (isBusy) await expectHealthy(daybook.database.url);
    })();
    try {
      await detachWithPatience();
    } finally {
      isBusy = false;
      await Promise.all([...workers, making, examining]);
    }
    expect(answers.filter((status) => status !== 200)).toEqual([]);
    expect(answers.length).toBeGreaterThan(100);
    expect((await attached('orders'))[0]).toBe('203004');
    await expectHealthy(daybook.database.url);
  });

  /** The doctor may look for longer than the job waits; then the next run goes on. */
  async function detachWithPatience(): Promise<void> {
    await waitFor('everything to be detached', async () => {
      const [outcome] = await Promise.allSettled([detach()]);
      if (outcome.status === 'rejected') expect(outcome.reason).toBeInstanceOf(DetachInterrupted);
      return outcome.status === 'fulfilled';
    });
  }
});
