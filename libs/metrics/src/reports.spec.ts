import { Logger } from '@nestjs/common';
import fc from 'fast-check';
import { DataSource } from 'typeorm';

import { dataSourceOptions, inTransaction } from '@daybook/platform';

import { createTestDatabase, type TestDatabase } from '../../../test/support/database.js';
import { confirmed, moved, placed } from '../../../test/support/order-events.js';
import { runJob } from '../../../test/support/run-job.js';
import { FoldTallies } from './fold-tallies/fold-tallies.job.js';
import { MakeReport } from './make-report/make-report.job.js';
import { readThroughput } from './order-figures.js';
import { OrderTallies } from './order-tallies.js';
import { OPEN_INTERVAL } from './order-totals.js';
import { PurgeReports } from './purge-reports/purge-reports.job.js';
import { type Report, REPORT_COLUMNS } from './report.js';

const { jest } = import.meta;

type Events = Parameters<OrderTallies['handle']>[0];

const START = new Date('2026-11-20T12:00:00.000Z');
const after = (seconds: number) => new Date(START.getTime() + seconds * 1000);

let database: TestDatabase;
let log: ReturnType<typeof jest.spyOn>;
let pool: DataSource;

beforeAll(async () => {
  database = await createTestDatabase();
  pool = await new DataSource(dataSourceOptions(database.url, 20)).initialize();
});
afterAll(async () => {
  await pool.destroy();
  await database.drop();
});
beforeEach(async () => {
  await empty();
  await database.query(`UPDATE settings SET value = $1 WHERE name = 'reports_since'`, [START.toISOString()]);
  await database.stopTime(after(60));
  log = jest.spyOn(Logger.prototype, 'log').mockImplementation(() => undefined);
});
afterEach(() => {
  jest.restoreAllMocks();
});

const empty = () =>
  database.query('TRUNCATE order_tallies, order_counts, order_moves, order_times, reports, jobs, job_runs');
const tallies = new OrderTallies({ businessTimezone: 'UTC' });
const happens = (events: Events) => inTransaction(pool, (manager) => tallies.handle(events, manager));
const report = (tick: Date | null = null, businessTimezone = 'UTC') =>
  runJob(new MakeReport({ businessTimezone }), pool, tick);
const fold = () => runJob(new FoldTallies(), pool);
const reports = () => database.query<Report>(`SELECT ${REPORT_COLUMNS} FROM reports ORDER BY id`);

/** What all reports together tell, and what the next one would begin with. */
async function reported() {
  const open = await readThroughput(OPEN_INTERVAL, 'folded', pool.manager);
  const intervals = [...(await reports()).map(({ figures }) => figures.interval), open];
  const sum = (of: (interval: typeof open) => number) =>
    intervals.reduce((total, interval) => total + of(interval), 0);
  return {
    placed: sum((interval) => interval.placed),
    highPlaced: sum(({ byPriority }) => byPriority.high.placed),
    confirmed: sum((interval) => interval.confirmed),
  };
}

async function counted(): Promise<{ total: number; pending: number }> {
  const [row] = await database.query<{ total: number; pending: number }>(
    `SELECT coalesce(sum(count), 0)::int AS total,
       coalesce(sum(count) FILTER (WHERE status = 'pending'), 0)::int AS pending FROM order_counts`,
  );
  return row as { total: number; pending: number };
}

describe('a report', () => {
  it('tells what happened since the one before, since midnight, and what waits', async () => {
    await happens([placed(START), placed(START, { priority: 'high' })]);
    await report(after(60));
    await happens([placed(START), moved(START, 'pending', 'processing')]);
    await database.stopTime(after(120));
    await report(after(120));
    const found = await reports();
    expect(found).toMatchObject([
      {
        from: START,
        to: after(60),
        figures: { interval: { placed: 2, byPriority: { high: { placed: 1 } } } },
      },
      {
        from: after(60),
        to: after(120),
        figures: {
          interval: { placed: 1, byPriority: { high: { placed: 0 } } },
          sinceMidnight: { placed: 3, byPriority: { high: { placed: 1 } } },
          queue: { queued: 2, active: 1, byPriority: { high: { queued: 1, active: 0 } } },
        },
      },
    ]);
    expect(log.mock.calls).toMatchObject(
      found.map(({ id, from, to, figures }) => [{ report: id, from, to, ...figures }]),
    );
  });

  it('is made of nothing, too', async () => {
    await report(after(60));
    expect(await reports()).toMatchObject([
      { figures: { interval: { placed: 0, p99Ms: null }, queue: { queued: 0, oldestQueuedSeconds: null } } },
    ]);
  });

  it('has what committed late, in the interval behind, on the day on which it happened', async () => {
    const midnight = new Date('2026-11-21T00:00:00.000Z');
    const begun = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    const late = inTransaction(pool, async (manager) => {
      await tallies.handle([placed(new Date(midnight.getTime() - 1))], manager);
      begun.resolve();
      await gate.promise;
    });
    await begun.promise;
    await database.stopTime(midnight);
    await report(midnight);
    gate.resolve();
    await late;
    await database.stopTime(new Date(midnight.getTime() + 60_000));
    await report(new Date(midnight.getTime() + 60_000));
    expect(await reports()).toMatchObject([
      { figures: { interval: { placed: 0 }, sinceMidnight: { placed: 0 } } },
      { figures: { interval: { placed: 1 }, sinceMidnight: { placed: 0 } } },
    ]);
    expect(await readThroughput('2026-11-20', 'all', pool.manager)).toMatchObject({ placed: 1 });
  });

  it('begins the day at midnight of the business', async () => {
    const midnight = new Date('2026-11-20T23:00:00.000Z');
    const berlin = new OrderTallies({ businessTimezone: 'Europe/Berlin' });
    await inTransaction(pool, (manager) =>
      berlin.handle([placed(new Date(midnight.getTime() - 1)), placed(midnight), placed(midnight)], manager),
    );
    await database.stopTime(midnight);
    await report(midnight, 'Europe/Berlin');
    expect(await reports()).toMatchObject([
      { figures: { interval: { placed: 3 }, sinceMidnight: { placed: 2 } } },
    ]);
  });
});

describe('the report of an interval', () => {
  it('is made once, by whichever of many comes first', async () => {
    await happens([placed(START)]);
    await Promise.all(Array.from({ length: 8 }, () => report(after(60))));
    expect(await reports()).toMatchObject([{ figures: { interval: { placed: 1 } } }]);
  });

  it('is not made again by a run that does an abandoned one again', async () => {
    await report(after(60));
    await happens([placed(START)]);
    await database.stopTime(after(70));
    expect(await report(after(60))).toBe(1);
    expect(await reports()).toHaveLength(1);
    await database.stopTime(after(120));
    await report(after(120));
    expect(await reports()).toMatchObject([{}, { from: after(60), figures: { interval: { placed: 1 } } }]);
  });

  it('ends early when somebody asks for it by hand', async () => {
    await report(after(60));
    await database.stopTime(after(75));
    await report();
    await database.stopTime(after(120));
    await report(after(120));
    expect((await reports()).map(({ from, to }) => [from, to])).toEqual([
      [START, after(60)],
      [after(60), after(75)],
      [after(75), after(120)],
    ]);
  });

  it('is made although the clock was put back behind the last one', async () => {
    await report(after(60));
    await database.stopTime(after(-3600));
    await happens([placed(START)]);
    await report(after(-3600));
    expect(await reports()).toMatchObject([
      {},
      { from: after(-3600), to: after(-3600), figures: { interval: { placed: 1 } } },
    ]);
  });
});

describe('all reports together', () => {
  it('tell what happened, to the order, whatever is folded and reported in between', async () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ normal: fc.nat(5), high: fc.nat(5), confirmed: fc.nat(5) }) },
      { weight: 1, arbitrary: fc.constant('fold' as const) },
      { weight: 1, arbitrary: fc.constant('report' as const) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
        await empty();
        const expected = { placed: 0, highPlaced: 0, confirmed: 0 };
        for (const each of steps) {
          if (each === 'fold') await fold();
          else if (each === 'report') await report();
          else {
            await happens(eventsOf(each));
            expected.placed += each.normal + each.high;
            expected.highPlaced += each.high;
            expected.confirmed += each.confirmed;
          }
        }
        await fold();
        expect(await reported()).toEqual(expected);
      }),
      { numRuns: 30 },
    );
  });

  it('tell what happened, to the order, while many batches commit and many processes report and fold', async () => {
    const batches = { normal: 3, high: 2, confirmed: 1 };
    let isOver = false;
    const keepOn = async (work: () => Promise<unknown>) => {
      while (!isOver) await work();
    };
    const folding = [keepOn(fold), keepOn(fold), keepOn(report), keepOn(report)];
    const writers = Array.from({ length: 10 }, async () => {
      for (let batch = 0; batch < 40; batch += 1) await happens(eventsOf(batches));
    });
    await Promise.all(writers);
    isOver = true;
    await Promise.all(folding);
    await fold();
    expect((await reports()).length).toBeGreaterThan(1);
    expect(await reported()).toEqual({ placed: 2_000, highPlaced: 800, confirmed: 400 });
    expect(await counted()).toEqual({ total: 2_000, pending: 2_000 });
    expect(await readThroughput('2026-11-20', 'all', pool.manager)).toMatchObject({ placed: 2_000 });
  });

  /** Nothing of size 0 makes no batch: a handler is never called without events. */
  const eventsOf = (batch: { normal: number; high: number; confirmed: number }): Events => [
    moved(START, 'shipped', 'delivered'),
    ...Array.from({ length: batch.normal }, () => placed(START)),
    ...Array.from({ length: batch.high }, () => placed(START, { priority: 'high' })),
    ...Array.from({ length: batch.confirmed }, (_, n) => confirmed(START, 100 * n)),
  ];
});

describe('tallies', () => {
  it('are folded in batches, until none is left', async () => {
    await database.query(
      `INSERT INTO order_tallies (day, month, priority, to_status, count, times_ms, total_ms)
       SELECT '2026-11-20', '202611', 'normal', 'pending', 1, '{}', 0 FROM generate_series(1, 12_000)`,
    );
    expect(await fold()).toBe(12_000);
    expect(await counted()).toMatchObject({ total: 12_000 });
    expect(await database.query('SELECT FROM order_tallies')).toEqual([]);
  });
});

describe('reports and the figures of days', () => {
  const insertReports = (...ages: string[]) =>
    database.query(
      `INSERT INTO reports (from_at, to_at, figures)
       SELECT business_now() - age::interval, business_now() - age::interval, '{}' FROM unnest($1::text[]) AS age`,
      [ages],
    );

  it('are kept for 30 days, the last report for ever', async () => {
    await insertReports('40 days', '31 days', '29 days');
    await happens([confirmed(new Date('2026-10-20T12:00:00.000Z'), 1), confirmed(START, 2)]);
    await fold();
    // Two reports, and the moves and times of a day.
    expect(await runJob(new PurgeReports(), pool)).toBe(4);
    expect(await reports()).toHaveLength(1);
    const periods = 'SELECT period FROM order_moves UNION ALL SELECT period FROM order_times ORDER BY 1';
    expect((await database.query<{ period: string }>(periods)).map(({ period }) => period)).toEqual([
      '2026-11-20',
      '2026-11-20',
      'interval',
      'interval',
      'interval',
    ]);
    await empty();
    await insertReports('50 days', '40 days');
    expect(await runJob(new PurgeReports(), pool)).toBe(1);
    expect(await reports()).toHaveLength(1);
  });
});
