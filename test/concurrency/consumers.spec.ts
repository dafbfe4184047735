import { clOrdId, insertExchangeOrders, readExchangeOrders } from '../support/exchange-rows.js';
import { type OwnVenue, startVenue } from '../support/exchange-simulator.js';
import { type Fleet, startFleet } from '../support/fleet.js';
import type { ServerProcess } from '../support/server-process.js';
import { waitFor } from '../support/wait-for.js';

const ORDERS = 300;
const FILLS = 60;
const QUANTITY = 120;
const REPORTS = ORDERS * FILLS;
const PARTS = 8;

let venue: OwnVenue;
let fleet: Fleet;
beforeEach(async () => {
  venue = await startVenue({
    behaviour: {
      duplicatePercent: 3,
      repeatPercent: 3,
      reorderPercent: 5,
      reorderWindow: 20,
      gapPercent: 0.1,
    },
  });
  const environment = { EXCHANGE_URL: venue.url, DAYBOOK_ROLES: 'receiver,consumer', LOG_LEVEL: 'error' };
  fleet = await startFleet([environment, environment, environment]);
  await insertExchangeOrders(fleet.database, ORDERS, { quantity: QUANTITY });
});
afterEach(async () => {
  for (const { child } of fleet.servers) child.kill('SIGCONT');
  await fleet.stop();
  await venue.stop();
});

/** How many parts each process holds whose lease has not run out. */
async function parts(): Promise<Map<number, number>> {
  const rows = await fleet.database.query<{ process: number; count: number }>(
    `SELECT split_part(holder, '/', 2)::int AS process, count(*)::int AS count FROM leases
     WHERE name ~ '^executions/XSIM/[0-9]$' AND lease_until > business_now() GROUP BY 1`,
  );
  return new Map(rows.map(({ process, count }) => [process, count]));
}
const whenShared = (...servers: readonly ServerProcess[]) =>
  waitFor(`${servers.length} processes to share the parts`, async () => {
    const held = await parts();
    const counts = servers.map(({ child }) => held.get(child.pid as number) ?? 0);
    const isAll = counts.reduce((sum, count) => sum + count, 0) === PARTS;
    return isAll && Math.max(...counts) - Math.min(...counts) <= 1;
  });
const recorded = async () => {
  const [row] = await fleet.database.query<{ count: number }>(
    'SELECT count(*)::int AS count FROM executions',
  );
  return row?.count ?? 0;
};
const whenRecorded = (count: number) =>
  waitFor(`${count} executions`, async () => (await recorded()) >= count, 90_000);

it('processes share the stream; one that is killed and one that is paused lose nothing and count nothing twice', async () => {
  const [first, second, third] = fleet.servers as [ServerProcess, ServerProcess, ServerProcess];
  await whenShared(first, second, third);
  const orders = { first: clOrdId(1), count: ORDERS, quantity: QUANTITY };
  await venue.flood({ orders, fillsPerOrder: FILLS, ratePerSecond: 3_000 });

  await whenRecorded(REPORTS / 6);
  await first.end('SIGKILL');
  await whenRecorded(REPORTS / 3);
  second.child.kill('SIGSTOP');
  // The last one has it all, while the one that is paused takes itself for the holder of its parts.
  await whenShared(third);
  await whenRecorded(REPORTS / 2);
  second.child.kill('SIGCONT');
  await whenShared(second, third);
  await whenRecorded(REPORTS);

  const states = await readExchangeOrders(fleet.database);
  const atVenue = new Map((await venue.orders()).map((order) => [order.clOrdId, order]));
  expect(states).toHaveLength(ORDERS);
  for (const { id, status, filled, traded, version, executions, journaled } of states) {
    const theirs = atVenue.get(id);
    expect({ id, status, filled, traded, executions }).toEqual({
      id,
      status: 'filled',
      filled: QUANTITY,
      traded: theirs?.tradedCents,
      executions: FILLS,
    });
    // Every version once, none left out.
    expect(journaled).toEqual(Array.from({ length: version - 2 }, (_, index) => index + 3));
  }
  const left = await fleet.database.query(
    'SELECT FROM parked_executions UNION ALL SELECT FROM quarantined_executions',
  );
  expect(left).toEqual([]);
}, 150_000);
