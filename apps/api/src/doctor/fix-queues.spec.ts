import { CorrectQueues } from '@daybook/processing';
import { CommandBus } from '@nestjs/cqrs';

import { ask } from '../../../../test/support/doctor-books.js';
import { expectHealthy, findingsIn } from '../../../../test/support/doctor.js';
import { startTestApp, type TestApp } from '../../../../test/support/app.js';
import { processWith } from '../../../../test/support/processor.js';
import { rowsRead } from '../../../../test/support/rows-read.js';
import { waitFor } from '../../../../test/support/wait-for.js';
import { fixQueues } from './fix.js';

let daybook: TestApp;
afterEach(async () => {
  await expectHealthy(daybook.database.url);
  await daybook.stop();
});

async function start(roles: string): Promise<void> {
  daybook = await startTestApp({ DAYBOOK_ROLES: roles });
  processWith(daybook, async () => undefined);
  await daybook.createProduct('TEA', 100_000);
}

const lines = [{ sku: 'TEA', quantity: 1 }];
const place = async (order: object = {}): Promise<string> =>
  (await ask(daybook, 'POST', '/orders', { lines, ...order })).id;
const fixed = () => fixQueues(daybook.app);
const brokenChecks = async () => (await findingsIn(daybook.database.url)).map(({ check }) => check);
const storedNumberOf = (id: string) => `${id.slice(0, 8)}${id.slice(9).padStart(10, '0')}`;
const jobOf = (id: string) => `job_id_of(${storedNumberOf(id)})`;
const deleteJobs = () => daybook.database.query('DELETE FROM pgboss.job');
const jobs = () =>
  daybook.database.query('SELECT name, id, priority, data, state FROM pgboss.job ORDER BY name, id');

describe('the doctor corrects', () => {
  it('pending orders without a job: each has the one again that it had', async () => {
    await start('api');
    const ids = [await place(), await place({ priority: 'high' })];
    const before = await jobs();
    expect(before).toHaveLength(2);
    await deleteJobs();
    expect(await brokenChecks()).toEqual(['queues/pending-orders']);
    expect(await fixed()).toEqual({ corrected: ids.map((id) => `order ${id}: put into orders`), left: [] });
    expect(await jobs()).toEqual(before);
    expect(await fixed()).toEqual({ corrected: [], left: [] });
  });

  it('jobs that no order stands behind, dead ones too, and leaves the others', async () => {
    await start('api');
    const [kept, cancelled] = [await place(), await place()];
    const before = await jobs();
    await ask(daybook, 'PATCH', `/orders/${cancelled}`, { status: 'cancelled' });
    const lost = `${kept.slice(0, 8)}-00099`;
    await daybook.database.query(
      `INSERT INTO pgboss.job (id, name) VALUES (${jobOf(cancelled)}, 'orders'), (${jobOf(kept)}, 'orders-dead'), (${jobOf(lost)}, 'orders')`,
    );
    expect(await brokenChecks()).toEqual(['queues/jobs-belong', 'queues/dead-belong']);
    expect(await fixed()).toEqual({
      corrected: [
        `order ${kept}: removed from orders-dead`,
        `order ${cancelled}: removed from orders`,
        `order ${lost}: removed from orders`,
      ],
      left: [],
    });
    expect(await jobs()).toEqual(before.slice(0, 1));
  });

  it('an order that waits while its job seems to be with a worker: it is worked off', async () => {
    await start('api,worker');
    await ask(daybook, 'POST', '/admin/queues/orders/pause', undefined, undefined, 'admin');
    const id = await place();
    await daybook.database.query(`UPDATE pgboss.job SET state = 'active'`);
    await ask(daybook, 'POST', '/admin/queues/orders/resume', undefined, undefined, 'admin');
    expect((await fixed()).corrected).toEqual([
      `order ${id}: removed from orders`,
      `order ${id}: put into orders`,
    ]);
    await waitFor(
      'the order',
      async () => (await ask(daybook, 'GET', `/orders/${id}`)).status === 'confirmed',
    );
  });

  it('a difference once, however many doctors there are', async () => {
    await start('api');
    const id = await place();
    await deleteJobs();
    const all = await Promise.all(Array.from({ length: 4 }, fixed));
    expect(all.flatMap(({ corrected }) => corrected)).toEqual([`order ${id}: put into orders`]);
  });

  it('more orders than it takes at once', async () => {
    await start('api');
    for (const count of [500, 100]) {
      const orders = Array.from({ length: count }, () => ({ lines }));
      await ask(daybook, 'POST', '/orders/bulk', { orders });
    }
    await deleteJobs();
    expect((await fixed()).corrected).toHaveLength(600);
  });

  it('what it has found by looking at the jobs of these orders alone, however many there are', async () => {
    await start('api');
    const found = await place();
    await ask(daybook, 'PATCH', `/orders/${found}`, { status: 'cancelled' });
    await daybook.database.query(
      `INSERT INTO pgboss.job (id, name) SELECT job_id_of(n), 'orders' FROM generate_series(1, 10000) AS n`,
    );
    await daybook.database.query(`INSERT INTO pgboss.job (id, name) VALUES (${jobOf(found)}, 'orders')`);
    await daybook.database.query('ANALYZE pgboss.job');
    const find = async () => [storedNumberOf(found)];
    const correct = () => daybook.app.get(CommandBus).execute(new CorrectQueues(find));
    const read = await rowsRead(/pgboss\.job/, correct);
    expect(read).toHaveLength(2);
    expect(Math.max(...read)).toBeLessThan(10);
    await deleteJobs();
  });

  it('nothing while orders are placed, worked off and cancelled under its eyes', async () => {
    await start('api,worker');
    let isOver = false;
    const customer = async () => {
      const ids: string[] = [];
      for (let n = 0; n < 40; n += 1) {
        const id = await place();
        if (n % 2 === 0) ids.push(id);
        // It may be with a worker by now, or done.
        else await daybook.api('PATCH', `/orders/${id}`, { body: { status: 'cancelled' } });
      }
      return ids;
    };
    const customers = Promise.all(Array.from({ length: 8 }, customer)).finally(() => (isOver = true));
    const corrected: string[] = [];
    while (!isOver) corrected.push(...(await fixed()).corrected);
    const ids = (await customers).flat();
    expect(corrected).toEqual([]);
    await waitFor('all orders to be confirmed', async () => {
      const open = `SELECT FROM orders WHERE status IN ('pending', 'processing')`;
      return (await daybook.database.query(open)).length === 0;
    });
    const done = await daybook.database.query(`SELECT FROM orders WHERE status = 'confirmed'`);
    expect(done.length).toBeGreaterThanOrEqual(ids.length);
  });
});
