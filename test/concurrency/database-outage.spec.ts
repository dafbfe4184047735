import { startTestApp, type TestApp } from '../support/app.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { placeOrder, storyOf } from '../support/order-desk.js';
import { processWith } from '../support/processor.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { waitFor } from '../support/wait-for.js';

const LEASE_SECONDS = 3;

let database: TestDatabase;
let network: TcpProxy;
let daybook: TestApp;
beforeEach(async () => {
  database = await createTestDatabase();
  network = await TcpProxy.before(database.url);
  daybook = await startTestApp({
    DATABASE_URL: network.through(database.url),
    DAYBOOK_ROLES: 'api,worker',
    WORKER_LEASE_SECONDS: String(LEASE_SECONDS),
    LOG_LEVEL: 'silent',
  });
  await daybook.createProduct('TEA', 10);
});
afterEach(async () => {
  await daybook.stop();
  await network.close();
  await database.drop();
});

/** Cuts the database off until every sign of life is older than the lease. */
async function outlastTheLease(): Promise<void> {
  await network.cut();
  await waitFor('the leases to have run out', async () => {
    const rows = await database.query(
      `SELECT 1 FROM pgboss.job WHERE state = 'active' AND heartbeat_on > now() - make_interval(secs => $1)`,
      [LEASE_SECONDS],
    );
    return rows.length === 0;
  });
  await network.mend();
}

const direct = () => ({ ...daybook, database });

it('an outage of the database that is longer than the lease takes no order from a worker that lives', async () => {
  const work = Promise.withResolvers<void>();
  processWith(daybook, () => work.promise);
  const id = await placeOrder(daybook, 'TEA');
  await waitFor('the order to be processed', async () => (await storyOf(direct(), id)).length === 2);
  await outlastTheLease();
  await waitFor('a sign of life', async () => {
    const rows = await database.query(
      `SELECT 1 FROM pgboss.job WHERE state = 'active' AND heartbeat_on > now() - interval '1 second'`,
    );
    return rows.length === 1;
  });
  work.resolve();
  await waitFor('the order to be confirmed', async () => (await storyOf(direct(), id)).length > 2);
  expect(await storyOf(direct(), id)).toEqual(['pending', 'processing', 'confirmed']);
});

it('what was worked off during an outage is written down behind it, once', async () => {
  const work = Promise.withResolvers<void>();
  let runs = 0;
  processWith(daybook, () => {
    runs += 1;
    return work.promise;
  });
  const id = await placeOrder(daybook, 'TEA');
  await waitFor('the order to be processed', async () => (await storyOf(direct(), id)).length === 2);
  await network.cut();
  work.resolve();
  await network.mend();
  await waitFor('the order to be confirmed', async () => (await storyOf(direct(), id)).length > 2);
  expect(await storyOf(direct(), id)).toEqual(['pending', 'processing', 'confirmed']);
  expect(runs).toBe(1);
});
