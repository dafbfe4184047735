import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { createTestDatabase, type TestDatabase } from '../../../test/support/database.js';
import { SimulatedVenue, StateLock } from '../../../test/support/exchange-simulator.js';
import { type ServerProcess, startServerProcess } from '../../../test/support/server-process.js';
import { waitFor } from '../../../test/support/wait-for.js';
import { startDevelopmentVenue } from './development-venue.js';

let database: TestDatabase;
let home: string;
const servers: ServerProcess[] = [];
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'daybook-venue-'));
});
afterEach(async () => {
  for (const { child } of servers.splice(0)) if (child.exitCode === null) child.kill('SIGKILL');
  await rm(home, { recursive: true });
});

async function start(environment: NodeJS.ProcessEnv = {}): Promise<ServerProcess> {
  const server = await startServerProcess({
    DATABASE_URL: database.url,
    DAYBOOK_HOME: home,
    AUTH_JWT_SECRET: undefined,
    ...environment,
  });
  servers.push(server);
  return server;
}

async function venueOf(server: ServerProcess): Promise<SimulatedVenue> {
  const line = () => /^Exchange {4}(http:\S+) \(simulated\)$/m.exec(server.output())?.[1];
  return new SimulatedVenue(await waitFor('the line about the exchange', line));
}

const isThere = (venue: SimulatedVenue) =>
  venue.counts().then(
    () => true,
    () => false,
  );

async function place(venue: SimulatedVenue, clOrdId: string): Promise<number> {
  const order = { clOrdId, account: 'a', instrument: 'i', side: 'buy', type: 'limit', quantity: 1 };
  const body = JSON.stringify({ ...order, limitPriceCents: 1 });
  const { status } = await fetch(`${venue.url}/orders`, { method: 'POST', body });
  return status;
}

describe('in development an exchange', () => {
  it('is there as long as the server is', async () => {
    const server = await start();
    const venue = await venueOf(server);
    expect(await place(venue, 'a-1')).toBe(201);
    expect(await server.end('SIGTERM')).toBe(0);
    expect(await isThere(venue)).toBe(false);
    expect(server.output()).not.toMatch(/died/);
  });

  it.each(['scheduler', 'consumer'])('is there for a %s alone', async (role) => {
    const server = await start({ DAYBOOK_ROLES: role });
    expect(await isThere(await venueOf(server))).toBe(true);
    expect(await server.end('SIGTERM')).toBe(0);
  });

  it('goes with a server that is killed', async () => {
    const server = await start();
    const venue = await venueOf(server);
    await server.end('SIGKILL');
    expect(await waitFor('the exchange to be gone', async () => !(await isThere(venue)))).toBe(true);
  });

  it('has its orders again after either end', async () => {
    for (const [signal, orders] of [
      ['SIGTERM', 0],
      ['SIGKILL', 1],
      ['SIGTERM', 2],
    ] as const) {
      const server = await start();
      const venue = await venueOf(server);
      expect(await venue.orders()).toHaveLength(orders);
      expect(await place(venue, `a-${orders}`)).toBe(201);
      await server.end(signal);
    }
  });

  it('is shared by two servers of one home and database', async () => {
    const first = await venueOf(await start());
    const second = await start();
    expect((await venueOf(second)).url).toBe(first.url);
    expect(await second.end('SIGTERM')).toBe(0);
    expect(await isThere(first)).toBe(true);
    expect(second.output()).not.toMatch(/died/);
  });

  it('is gone on with at the same address when the server that had it ends', async () => {
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      const first = await start();
      const second = await start();
      const venue = await venueOf(second);
      expect(venue.url).toBe((await venueOf(first)).url);
      expect(await place(venue, signal)).toBe(201);
      const { pid } = await venue.counts();
      await first.end(signal);
      await waitFor('the other one', () =>
        venue.counts().then(
          (counts) => counts.pid !== pid,
          () => false,
        ),
      );
      expect((await venue.orders()).at(-1)).toMatchObject({ clOrdId: signal });
      expect(await second.end('SIGTERM')).toBe(0);
      expect(await isThere(venue)).toBe(false);
    }
  });

  it('is not waited for by a server that is to stop', async () => {
    // As long as this one has the state and does not answer, another one waits.
    const lock = await StateLock.take(join(home, 'exchange-simulator.ndjson'));
    if (typeof lock === 'string') throw new Error('Somebody has the state');
    const stop = Promise.withResolvers<void>();
    const lines: string[] = [];
    const starting = startDevelopmentVenue(home, undefined, stop.promise, (line) => lines.push(line));
    stop.resolve();
    expect(await starting).toBeUndefined();
    expect(lines).toEqual([]);
    lock.release();
  });

  it('is shown the token that it wants', async () => {
    const server = await start({ EXCHANGE_SIMULATOR_TOKEN: 'open sesame', DAYBOOK_ROLES: undefined });
    const token = await waitFor('the token', () => /^Token {7}(\S+)$/m.exec(server.output())?.[1]);
    const order = { instrument: 'DE0007164600', side: 'buy', type: 'market', quantity: 1 };
    const { status } = await fetch(`${server.origin}/api/v1/exchange/orders`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(order),
    });
    expect(status).toBe(201);
  });

  it('may die, which is reported, and not the end of the server', async () => {
    const server = await start({ EXCHANGE_SIMULATOR_LATENCY_MAX_MS: '7' });
    const venue = await venueOf(server);
    const found = await fetch(`${venue.url}/simulator/behaviour`);
    expect(await found.json()).toMatchObject({ latencyMaxMs: 7 });
    process.kill((await venue.counts()).pid, 'SIGKILL');
    await waitFor('the report', () => /^The exchange simulator has died; /m.test(server.output()));
    expect((await fetch(`${server.origin}/health/live`)).status).toBe(200);
    expect(await server.end('SIGTERM')).toBe(0);
  });

  it('that cannot start is reported, and not the end of the server either', async () => {
    const server = await start({ EXCHANGE_SIMULATOR_LATENCY_MIN_MS: 'soon' });
    expect(server.output()).toMatch(
      /^EXCHANGE_SIMULATOR_LATENCY_MIN_MS must be .*\n(.*\n)*The exchange simulator did not start: /m,
    );
    expect(await server.end('SIGTERM')).toBe(0);
    expect(server.output()).not.toMatch(/^Exchange /m);
  });
});

describe('no exchange is started', () => {
  it.each<[string, NodeJS.ProcessEnv]>([
    ['where another one is configured', { EXCHANGE_URL: 'http://127.0.0.1:1' }],
    ['with authentication, which is not development', { AUTH_JWT_SECRET: 'x'.repeat(32) }],
    ['by a process that has nothing to do with it', { DAYBOOK_ROLES: 'worker' }],
  ])('%s', async (_, environment) => {
    const server = await start(environment);
    expect(await server.end('SIGTERM')).toBe(0);
    expect(server.output()).not.toMatch(/exchange/i);
  });
});
