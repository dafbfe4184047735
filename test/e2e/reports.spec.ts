import { JobScheduler } from '@daybook/platform';

import { startTestApp, type TestApp } from '../support/app.js';
import { expectHealthy } from '../support/doctor.js';
import { processOrder } from '../support/process-order.js';
import { expectProblem } from '../support/problem.js';

let daybook: TestApp;

// Nothing runs but what the test asks for.
beforeEach(async () => {
  daybook = await startTestApp({ DAYBOOK_ROLES: 'api' });
  await daybook.createProduct('TEA', 1_000);
});
afterEach(async () => {
  await expectHealthy(daybook.database.url);
  await daybook.stop();
});

async function place(body: object = {}): Promise<string> {
  const answer = await daybook.api('POST', '/orders', {
    body: { lines: [{ sku: 'TEA', quantity: 1 }], ...body },
  });
  expect(answer.status).toBe(201);
  return answer.body.id;
}

async function run(job: string): Promise<void> {
  const started = await daybook.app.get(JobScheduler).runNow(job, 'admin-1');
  await started?.ended;
}

/** The next report. */
async function report() {
  await run('make-report');
  return (await daybook.api('GET', '/reports/latest')).body;
}

describe('the latest report', () => {
  it('is not there before the first one', async () => {
    expectProblem(await daybook.api('GET', '/reports/latest'), 404, 'not_found');
  });

  it('tells of the interval, of the day and of the queue, in total and by priority', async () => {
    const [first, second] = [await place(), await place({ priority: 'high' })];
    await processOrder(daybook.app, first, { outcome: 'timed_out', durationMs: 30_000, to: 'pending' });
    const before = await report();
    await processOrder(daybook.app, second, { outcome: 'confirmed', durationMs: 1_234, to: 'confirmed' });
    await processOrder(daybook.app, first);
    await place();
    const found = await report();
    const nothing = { placed: 0, confirmed: 0, failed: 0, timedOut: 0, retried: 0 };
    const unmeasured = { averageMs: null, p50Ms: null, p95Ms: null, p99Ms: null };
    expect(before.interval).toMatchObject({ ...nothing, placed: 2, timedOut: 1, retried: 1, p50Ms: 30_000 });
    expect(found).toEqual({
      id: expect.stringMatching(/^\d+$/),
      from: before.to,
      to: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      interval: {
        ...nothing,
        placed: 1,
        confirmed: 1,
        averageMs: 1_234,
        p50Ms: 1_230,
        p95Ms: 1_230,
        p99Ms: 1_230,
        byPriority: {
          normal: { ...nothing, ...unmeasured, placed: 1 },
          high: { ...nothing, confirmed: 1, averageMs: 1_234, p50Ms: 1_230, p95Ms: 1_230, p99Ms: 1_230 },
        },
      },
      sinceMidnight: expect.objectContaining({
        placed: 3,
        confirmed: 1,
        timedOut: 1,
        retried: 1,
        averageMs: 15_617,
      }),
      queue: {
        queued: 1,
        active: 1,
        oldestQueuedSeconds: expect.any(Number),
        byPriority: {
          normal: { queued: 1, active: 1, oldestQueuedSeconds: expect.any(Number) },
          high: { queued: 0, active: 0, oldestQueuedSeconds: null },
        },
      },
    });
  });
});

describe('the list of reports', () => {
  it('has them newest first, page by page', async () => {
    for (let orders = 0; orders < 5; orders += 1) {
      await place();
      await report();
    }
    const { status, body: first, headers } = await daybook.api('GET', '/reports?limit=3');
    expect(status).toBe(200);
    expect(headers.get('link')).toContain('rel="next"');
    const { body: second } = await daybook.api('GET', `/reports?limit=3&cursor=${first.nextCursor}`);
    expect(second.nextCursor).toBeNull();
    const all = [...first.data, ...second.data];
    expect(all.map(({ sinceMidnight }) => sinceMidnight.placed)).toEqual([5, 4, 3, 2, 1]);
    expect(all.slice(0, -1).map(({ from }) => from)).toEqual(all.slice(1).map(({ to }) => to));
  });
});

describe('GET /api/v1/metrics', () => {
  const metrics = async () => {
    const { status, body } = await daybook.api('GET', '/metrics');
    expect(status).toBe(200);
    return body;
  };

  it('tells the truth at once, folded and reported or not', async () => {
    const ids = [await place(), await place(), await place({ priority: 'high' }), await place()];
    await processOrder(daybook.app, ids[0] as string, {
      outcome: 'confirmed',
      durationMs: 2_000,
      to: 'confirmed',
    });
    await processOrder(daybook.app, ids[1] as string, {
      outcome: 'refused',
      durationMs: 1_000,
      to: 'failed',
    });
    await processOrder(daybook.app, ids[2] as string);
    await daybook.api('PATCH', `/orders/${ids[3]}`, { body: { status: 'cancelled' } });
    await place();
    const reservation = { lines: [{ sku: 'TEA', quantity: 1 }], ttlSeconds: 60 };
    await daybook.api('POST', '/reservations', { body: reservation });
    const { asOf, businessDay, ...figures } = await metrics();
    expect(businessDay).toBe(asOf.slice(0, 10));
    const processing = {
      queued: 1,
      active: 1,
      completed: 1,
      failed: 1,
      retried: 0,
      timedOut: 0,
      averageMs: 1_500,
      p50Ms: 1_000,
      p95Ms: 2_000,
      p99Ms: 2_000,
    };
    const byStatus = {
      pending: 1,
      processing: 1,
      confirmed: 1,
      failed: 1,
      cancelled: 1,
      shipped: 0,
      delivered: 0,
    };
    expect(figures).toEqual({
      orders: { total: 5, byStatus },
      processing: { ...processing, oldestQueuedSeconds: expect.any(Number) },
      reservations: { active: 1 },
    });
    for (const job of ['fold-order-tallies', 'make-report']) {
      await run(job);
      expect(await metrics()).toMatchObject({ orders: { total: 5, byStatus }, processing });
    }
  });

  it('begins the counts of the day anew at midnight, not those of what there is', async () => {
    const id = await place();
    await processOrder(daybook.app, id, { outcome: 'confirmed', durationMs: 10, to: 'confirmed' });
    await place();
    await daybook.database.shiftTime('1 day');
    expect(await metrics()).toMatchObject({
      orders: { total: 2, byStatus: { confirmed: 1, pending: 1 } },
      processing: { queued: 1, completed: 0, p50Ms: null, oldestQueuedSeconds: 86_400 },
      reservations: { active: 0 },
    });
  });

  it('leaves out reservations that are overdue, whether or not that is written down', async () => {
    const reservation = { lines: [{ sku: 'TEA', quantity: 1 }], ttlSeconds: 60 };
    await daybook.api('POST', '/reservations', { body: reservation });
    expect(await metrics()).toMatchObject({ reservations: { active: 1 } });
    await daybook.database.shiftTime('61 seconds');
    expect(await metrics()).toMatchObject({ reservations: { active: 0 } });
  });

  it('tells the same from another process, and after a restart', async () => {
    await place();
    await run('fold-order-tallies');
    await place();
    const other = await startTestApp({ DATABASE_URL: daybook.database.url, DAYBOOK_ROLES: 'api' });
    try {
      expect((await other.api('GET', '/metrics')).body).toMatchObject({ orders: { total: 2 } });
    } finally {
      await other.stop();
    }
    expect(await metrics()).toMatchObject({ orders: { total: 2 } });
  });
});

describe('GET /metrics', () => {
  it('has the orders by status, and the queue by priority', async () => {
    await place();
    await place({ priority: 'high' });
    await processOrder(daybook.app, await place());
    await daybook.database.shiftTime('90 seconds');
    const text = await (await fetch(`${daybook.origin}/metrics`)).text();
    const lines = text
      .split('\n')
      .filter((line) => /^daybook_(orders|queue_(length|oldest_seconds))\{/.test(line));
    expect(lines).toEqual([
      'daybook_orders{status="pending"} 2',
      'daybook_orders{status="processing"} 1',
      ...['confirmed', 'shipped', 'delivered', 'cancelled', 'failed'].map(
        (status) => `daybook_orders{status="${status}"} 0`,
      ),
      'daybook_queue_length{priority="normal"} 1',
      'daybook_queue_length{priority="high"} 1',
      expect.stringMatching(/^daybook_queue_oldest_seconds\{priority="normal"\} 9\d$/),
      expect.stringMatching(/^daybook_queue_oldest_seconds\{priority="high"\} 9\d$/),
    ]);
  });
});
