import { setTimeout as pause } from 'node:timers/promises';

import pg from 'pg';

import { tokenFor } from '../support/app.js';
import { expectHealthy } from '../support/doctor.js';
import { type Fleet, startFleet } from '../support/fleet.js';
import { KeepAliveClient, type WireAnswer } from '../support/keep-alive-client.js';
import { waitFor } from '../support/wait-for.js';

const ONE_TEA = { lines: [{ sku: 'TEA', quantity: 1 }] };

let fleet: Fleet;
let clients: KeepAliveClient[];

beforeEach(async () => {
  fleet = await startFleet([{}]);
  await fleet.createProduct('TEA', 1_000_000);
  const token = await tokenFor('operator-1', 'operator');
  clients = Array.from({ length: 64 }, () => new KeepAliveClient(server().origin, token));
});
afterEach(async () => {
  for (const client of clients) client.close();
  await expectHealthy(fleet.database.url);
  await fleet.stop();
});

const server = () => {
  const [first] = fleet.servers;
  if (first === undefined) throw new Error('The fleet has no server');
  return first;
};

async function storedOrders(): Promise<number> {
  const [row] = await fleet.database.query<{ count: number }>('SELECT count(*)::int FROM orders');
  return row?.count ?? 0;
}

/** Holds the lock that every order for tea needs, from another connection; returns what releases it. */
async function holdStock(): Promise<() => Promise<void>> {
  const holder = new pg.Client({ connectionString: fleet.database.url });
  await holder.connect();
  await holder.query('BEGIN');
  await holder.query('SELECT FROM stock_levels FOR UPDATE');
  return () => holder.end();
}

/** Resolves when a batch of orders waits for the lock. */
function untilOrdersWait(): Promise<unknown> {
  return waitFor('orders that wait for the stock', async () => {
    const [row] = await fleet.database.query<{ waiting: number }>(
      `SELECT count(*)::int AS waiting FROM pg_stat_activity
       WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    return (row?.waiting ?? 0) > 0;
  });
}

describe.each(['SIGTERM', 'SIGINT'] as const)('%s', (signal) => {
  it('under load lets every request that was sent have its answer', async () => {
    const answers: WireAnswer[] = [];
    const failures: unknown[] = [];
    const untilTold = async (client: KeepAliveClient, index: number) => {
      // Half of them send at once, half after a while: their requests arrive on connections that look idle.
      const thinkMs = index % 2 === 0 ? 0 : 10 * index;
      try {
        for (;;) {
          const answer = await client.ask('/api/v1/orders', ONE_TEA);
          answers.push(answer);
          if (answer.isLast) return;
          if (thinkMs > 0) await pause(thinkMs);
        }
      } catch (error) {
        failures.push(error);
      }
    };
    const load = Promise.all(clients.map(untilTold));
    await waitFor('a load that is well under way', () => answers.length > 500);
    const sentAt = performance.now();
    const exitCode = await server().end(signal);
    const tookMs = performance.now() - sentAt;
    await load;
    expect(failures).toEqual([]);
    expect(answers.filter(({ status }) => status !== 201).map(({ text }) => text)).toEqual([]);
    expect(answers.filter(({ isLast }) => isLast)).toHaveLength(clients.length);
    expect(await storedOrders()).toBe(answers.length);
    expect(exitCode).toBe(0);
    expect(tookMs).toBeLessThan(5_000);
    expect(server().output()).not.toMatch(/"level":"(error|fatal)"/);
  });
});

describe('while the server stops', () => {
  it('orders that wait for the database are still placed, and idle connections are still answered', async () => {
    const [idle, latecomer, ...waiting] = clients as [KeepAliveClient, KeepAliveClient, ...KeepAliveClient[]];
    await Promise.all([idle, latecomer].map((client) => client.ask('/health/ready')));
    const release = await holdStock();
    const orders = Promise.all(waiting.map((client) => client.ask('/api/v1/orders', ONE_TEA)));
    await untilOrdersWait();
    const exited = server().end('SIGTERM');
    const ready = await waitFor('the announcement', async () => {
      const answer = await idle.ask('/health/ready');
      return answer.status === 503 && answer;
    });
    expect(ready).toMatchObject({ isLast: true, headers: { 'retry-after': '1' } });
    const late = latecomer.ask('/api/v1/orders', ONE_TEA);
    // Longer than the farewell: the server has begun to close by now.
    await pause(1_500);
    expect(await storedOrders()).toBe(0);
    await release();
    const answers = [await late, ...(await orders)];
    expect(answers.map(({ status, isLast }) => ({ status, isLast }))).toEqual(
      answers.map(() => ({ status: 201, isLast: true })),
    );
    expect(await storedOrders()).toBe(answers.length);
    expect(await exited).toBe(0);
  });

  it('a second signal ends it at once, and what was not answered has not happened', async () => {
    const release = await holdStock();
    const orders = Promise.allSettled(clients.map((client) => client.ask('/api/v1/orders', ONE_TEA)));
    await untilOrdersWait();
    const exited = server().end('SIGINT');
    await waitFor('the announcement', async () => {
      const { status } = await fetch(`${server().origin}/health/ready`);
      return status === 503;
    });
    const secondAt = performance.now();
    server().child.kill('SIGINT');
    expect(await exited).toBe(130);
    expect(performance.now() - secondAt).toBeLessThan(1_000);
    expect((await orders).map(({ status }) => status)).toEqual(clients.map(() => 'rejected'));
    await release();
    await waitFor('the transactions of the dead server to end', async () => {
      const [row] = await fleet.database.query<{ left: number }>(
        `SELECT count(*)::int AS left FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'daybook'`,
      );
      return row?.left === 0;
    });
    expect(await storedOrders()).toBe(0);
  });
});
