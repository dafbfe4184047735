import { setTimeout as pause } from 'node:timers/promises';

import { Random } from '../chaos/random.js';
import { startTestApp, type TestApp } from '../support/app.js';
import { expectHealthy } from '../support/doctor.js';
import { expectStatus } from '../support/fleet.js';
import { type ServerProcess, startServerProcess } from '../support/server-process.js';
import { waitFor } from '../support/wait-for.js';

type Priority = 'high' | 'normal';

/** A start of an order, as the journal tells it: when it was claimed. */
interface Start {
  readonly number: string;
  readonly priority: Priority;
  /** The transaction that started it. Those of one process come one after the other. */
  readonly claim: number;
}

const STARTS = `
  SELECT entity_id AS number, priority, xid::text::int AS claim
  FROM journal JOIN orders ON orders.id = replace(entity_id, '-', '00000')::bigint
  WHERE data -> 'after' ->> 'status' = 'processing' ORDER BY position`;

// Whoever claims holds this lock shared, from before it looks at the queue. Who has it alone knows that all claims of
// transactions up to here are over, and that all later ones see what is committed by now.
const SEEN_FROM = `
  CREATE FUNCTION seen_from() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
    PERFORM pg_advisory_xact_lock(7237010);
    RETURN pg_snapshot_xmax(pg_current_snapshot())::text::int;
  END $$`;

let daybook: TestApp;
let workers: ServerProcess | undefined;
beforeEach(async () => {
  daybook = await startTestApp();
  await daybook.createProduct('TEA', 1_000_000);
});
afterEach(async () => {
  await workers?.end('SIGTERM');
  await expectHealthy(daybook.database.url);
  await daybook.stop();
});

async function startWorkers(count: number, environment: NodeJS.ProcessEnv = {}): Promise<void> {
  workers = await startServerProcess({
    DATABASE_URL: daybook.database.url,
    DAYBOOK_ROLES: 'worker',
    WORKER_COUNT: String(count),
    WORKER_LEASE_SECONDS: '3',
    ...environment,
  });
}

const order = (priority: Priority, processingTimeMs: number) => ({
  lines: [{ sku: 'TEA', quantity: 1 }],
  priority,
  processingTimeMs,
});

const startsOfAll = (count: number) =>
  waitFor(`${count} orders to be confirmed`, async () => {
    const rows = await daybook.database.query(`SELECT FROM orders WHERE status = 'confirmed'`);
    return rows.length === count && daybook.database.query<Start>(STARTS);
  });

it('100 orders that come while 10 workers are busy start high before normal, and lowest number first', async () => {
  const { database } = daybook;
  await database.query(SEEN_FROM);
  await startWorkers(10);
  const random = new Random(20261121);
  /** By number: from which claim on each order was in the queue for certain. */
  const seenFrom = new Map<string, number>();
  const place = async (body: object) => {
    const { body: placed } = await expectStatus(201, daybook.api('POST', '/orders', { body }));
    const [row] = await database.query<{ claim: number }>('SELECT seen_from() AS claim');
    seenFrom.set(placed.id as string, row?.claim as number);
  };
  const placing: Promise<void>[] = [];
  for (let n = 1; n <= 100; n += 1) {
    placing.push(place(order(random.chance(0.5) ? 'high' : 'normal', random.between(10, 100))));
    // The orders shall come one by one, and not all at once.
    await pause(1);
  }
  await Promise.all(placing);
  const starts = await startsOfAll(100);

  /** Orders that others were preferred to, although they should have been first and were there. */
  const passedOver = (shouldBeFirst: (one: Start, other: Start) => boolean) =>
    starts.flatMap((started) =>
      starts
        .filter(
          (waiting) =>
            waiting.claim > started.claim &&
            (seenFrom.get(waiting.number) as number) <= started.claim &&
            shouldBeFirst(waiting, started),
        )
        .map((waiting) => `${waiting.number} (${waiting.priority}) waited while ${started.number} started`),
    );
  expect(passedOver((one, other) => one.priority === 'high' && other.priority === 'normal')).toEqual([]);
  expect(passedOver((one, other) => one.priority === other.priority && one.number < other.number)).toEqual(
    [],
  );
  // Otherwise nobody had to wait, and there was nothing to prefer.
  expect(passedOver((one, other) => one.priority === 'normal' && other.priority === 'high')).not.toEqual([]);
});

describe('a flood of high orders', () => {
  /** Waits until the normal ones have aged, and starts the workers only then. */
  async function flood(
    workerCount: number,
    { high, normal }: Record<Priority, number>,
    ms: number,
  ): Promise<Priority[]> {
    const many = (count: number, priority: Priority) =>
      Array.from({ length: count }, () => order(priority, ms));
    for (const orders of [many(normal, 'normal'), many(high, 'high')])
      await expectStatus(200, daybook.api('POST', '/orders/bulk', { body: { orders } }));
    await waitFor('the normal orders to have waited', async () => {
      const rows = await daybook.database.query(
        `SELECT FROM pgboss.job WHERE priority < 0 AND created_on > now() - interval '1 second'`,
      );
      return rows.length === 0;
    });
    await startWorkers(workerCount, { ORDER_AGING_SECONDS: '1' });
    return (await startsOfAll(high + normal)).map(({ priority }) => priority);
  }

  it('leaves every tenth start to the normal ones that have waited long enough', async () => {
    // Of work that takes so long nothing is claimed ahead: each claim is a start.
    const starts = await flood(1, { high: 160, normal: 40 }, 25);
    const duringFlood = starts.slice(0, starts.lastIndexOf('high') + 1);
    const turns = duringFlood.flatMap((priority, turn) => (priority === 'normal' ? [turn] : []));
    expect(turns.length).toBeGreaterThan(5);
    expect(turns.slice(1).map((turn, index) => turn - (turns[index] as number))).toEqual(
      turns.slice(1).map(() => 10),
    );
  });

  it('leaves a tenth of ten workers to them', async () => {
    const starts = await flood(10, { high: 490, normal: 90 }, 40);
    const duringFlood = starts.slice(starts.indexOf('normal'), starts.lastIndexOf('high') + 1);
    const normal = duringFlood.filter((priority) => priority === 'normal');
    expect(normal.length).toBeGreaterThan(5);
    // A few more or less: the slice begins with one, and the starts of one claim are journaled in any order.
    expect(Math.abs(normal.length - duringFlood.length / 10)).toBeLessThan(4);
  });
});
