import { type Fleet, startFleet, wrongClock } from '../support/fleet.js';
import { expectHealthy } from '../support/doctor.js';
import { waitFor } from '../support/wait-for.js';

const MINUTE_MS = 60_000;

interface Report {
  readonly from: Date;
  readonly to: Date;
  readonly placed: number;
}

let fleet: Fleet;

// Each of them could make every report, by a clock of its own.
beforeEach(async () => {
  const environment = { REPORT_INTERVAL_SECONDS: '1', DAYBOOK_ROLES: 'api,scheduler' };
  fleet = await startFleet(
    [-MINUTE_MS, 0, MINUTE_MS].map((offset) => ({ ...environment, ...wrongClock(offset) })),
  );
  await fleet.createProduct('TEA', 1_000_000);
});
afterEach(() => fleet.stop());

const reports = () =>
  fleet.database.query<Report>(
    `SELECT from_at AS "from", to_at AS "to", (figures->'interval'->>'placed')::int AS placed FROM reports ORDER BY id`,
  );

const counts = { sent: 0, answered: 0 };

async function place(): Promise<void> {
  counts.sent += 1;
  const body = { lines: [{ sku: 'TEA', quantity: 1 }] };
  const isPlaced = await fleet.ask(counts.sent, 'POST', '/orders', { body }).then(
    ({ status }) => status === 201,
    // It went to the one that was killed.
    () => false,
  );
  if (isPlaced) counts.answered += 1;
}

/** The figures have every order that was answered before they were asked for, and none that was not sent. */
async function expectTrueFigures(): Promise<void> {
  const { answered } = counts;
  const { body } = await fleet.ask(1, 'GET', '/metrics');
  expect(body.orders.total).toBeGreaterThanOrEqual(answered);
  expect(body.orders.total).toBeLessThanOrEqual(counts.sent);
  expect(body.orders.byStatus.pending).toBe(body.orders.total);
}

describe('three servers that report every second', () => {
  it('never make two reports of one second, and tell of every order once, though one of them is killed', async () => {
    let isOver = false;
    const placing = Array.from({ length: 6 }, async () => {
      while (!isOver) await place();
    });
    await waitFor('some reports', async () => (await reports()).length >= 3);
    for (let times = 0; times < 20; times += 1) await expectTrueFigures();
    await expectHealthy(fleet.database.url);
    await fleet.servers[0]?.end('SIGKILL');
    const before = (await reports()).length;
    // If it was making one, that is done again when its lease has run out.
    await waitFor('more reports', async () => (await reports()).length >= before + 3, 90_000);
    await expectTrueFigures();
    isOver = true;
    await Promise.all(placing);
    const [{ orders }] = (await fleet.database.query('SELECT count(*)::int AS orders FROM orders')) as [
      { orders: number },
    ];
    const told = await waitFor('all orders to be reported', async () => {
      const found = await reports();
      return found.reduce((sum, { placed }) => sum + placed, 0) >= orders && found;
    });
    expect(told.reduce((sum, { placed }) => sum + placed, 0)).toBe(orders);
    expect(told.slice(1).map(({ from }) => from)).toEqual(told.slice(0, -1).map(({ to }) => to));
    const seconds = told.map(({ to }) => Math.floor(to.getTime() / 1000));
    expect(new Set(seconds).size).toBe(seconds.length);
    await expectHealthy(fleet.database.url);
  }, 150_000);
});
