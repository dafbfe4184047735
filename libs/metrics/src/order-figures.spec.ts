import fc from 'fast-check';
import { DataSource } from 'typeorm';

import { dataSourceOptions, inTransaction } from '@daybook/platform';

import { createTestDatabase, type TestDatabase } from '../../../test/support/database.js';
import { confirmed, moved, placed } from '../../../test/support/order-events.js';
import { type Extent, readPopulation, readQueue, readThroughput } from './order-figures.js';
import { OrderTallies, toThreeDigits } from './order-tallies.js';
import { foldTallies } from './order-totals.js';

type Events = Parameters<OrderTallies['handle']>[0];

const NOON = new Date('2026-11-20T12:00:00.000Z');
const LONGEST_MS = 2_147_483_647;

let database: TestDatabase;
let pool: DataSource;

beforeAll(async () => {
  database = await createTestDatabase();
  pool = await new DataSource(dataSourceOptions(database.url, 4)).initialize();
});
afterAll(async () => {
  await pool.destroy();
  await database.drop();
});
beforeEach(empty);

async function empty(): Promise<void> {
  await database.query('TRUNCATE order_tallies, order_counts, order_moves, order_times');
}

/** A batch of changes, committed. */
const happens = (events: Events, businessTimezone = 'UTC') =>
  inTransaction(pool, (manager) => new OrderTallies({ businessTimezone }).handle(events, manager));
const fold = () => inTransaction(pool, foldTallies);
const figuresOf = (day: string, extent: Extent = 'all') => readThroughput(day, extent, pool.manager);
const tallies = () =>
  database.query('SELECT month, priority, from_status, to_status, outcome, count FROM order_tallies');

/** The smallest time that so many did not exceed. */
const exactPercentile = (sorted: readonly number[], share: number) =>
  sorted[Math.ceil(share * sorted.length) - 1] as number;

describe('what a batch adds', () => {
  it('is one row for each kind of change in it, however many orders', async () => {
    const high = { priority: 'high' } as const;
    const many = Array.from({ length: 300 }, (_, n) => placed(NOON, n < 100 ? high : {}));
    await happens([...many, moved(NOON, 'pending', 'cancelled')]);
    const row = { month: '202611', from_status: null, outcome: null, to_status: 'pending' };
    expect(await tallies()).toEqual([
      { ...row, priority: 'high', count: 100 },
      { ...row, priority: 'normal', count: 200 },
      { ...row, priority: 'normal', from_status: 'pending', to_status: 'cancelled', count: 1 },
    ]);
  });

  it('is a whole time, and none below nothing, whatever the clock of a worker says', async () => {
    await happens([confirmed(NOON, -5), confirmed(NOON, 12.6), confirmed(NOON, 4e12)]);
    expect(await database.query('SELECT times_ms, total_ms FROM order_tallies')).toEqual([
      { times_ms: ['0', '13', '4000000000000'], total_ms: '4000000000013' },
    ]);
  });

  it('is gone when the batch is rolled back', async () => {
    const failure = inTransaction(pool, async (manager) => {
      await new OrderTallies({ businessTimezone: 'UTC' }).handle([placed(NOON)], manager);
      throw new Error('changed my mind');
    });
    await expect(failure).rejects.toThrow('changed my mind');
    expect(await tallies()).toEqual([]);
  });
});

describe('the figures of a day', () => {
  it('tell what became of orders and attempts, in total and by priority', async () => {
    const attempt = (outcome: 'timed_out' | 'failed' | 'refused' | 'abandoned' | 'handed_back') => ({
      attempt: { number: 1, outcome, durationMs: 30_000 },
    });
    await happens([
      placed(NOON),
      placed(NOON, { priority: 'high' }),
      confirmed(NOON, 100),
      confirmed(NOON, 201, 'high'),
      moved(NOON, 'processing', 'pending', attempt('timed_out')),
      moved(NOON, 'processing', 'failed', attempt('timed_out')),
      moved(NOON, 'processing', 'failed', attempt('refused')),
      moved(NOON, 'processing', 'pending', attempt('failed')),
      moved(NOON, 'processing', 'pending', attempt('abandoned')),
      moved(NOON, 'processing', 'pending', attempt('handed_back')),
      moved(NOON, 'pending', 'processing', { attempt: { number: 2 } }),
      moved(NOON, 'failed', 'pending'),
    ]);
    const unfolded = await figuresOf('2026-11-20');
    expect(unfolded).toEqual({
      placed: 2,
      confirmed: 2,
      failed: 2,
      timedOut: 2,
      // Timed out, failed and abandoned: to be handed back counts as no attempt.
      retried: 3,
      // Of six attempts: what was abandoned or handed back was not measured.
      averageMs: Math.round((100 + 201 + 4 * 30_000) / 6),
      p50Ms: 30_000,
      p95Ms: 30_000,
      p99Ms: 30_000,
      byPriority: {
        normal: expect.objectContaining({ placed: 1, confirmed: 1, averageMs: 24_020, p50Ms: 30_000 }),
        high: {
          placed: 1,
          confirmed: 1,
          failed: 0,
          timedOut: 0,
          retried: 0,
          averageMs: 201,
          p50Ms: 201,
          p95Ms: 201,
          p99Ms: 201,
        },
      },
    });
    await fold();
    expect(await figuresOf('2026-11-20')).toEqual(unfolded);
    expect(await figuresOf('2026-11-20', 'folded')).toEqual(unfolded);
  });

  it('are nothing when nothing happened', async () => {
    const nothing = { placed: 0, confirmed: 0, averageMs: null, p50Ms: null, p99Ms: null };
    expect(await figuresOf('2026-11-20')).toMatchObject({ ...nothing, byPriority: { high: nothing } });
  });

  it.each([
    ['2026-11-20T22:59:59.999Z', '2026-11-20'],
    ['2026-11-20T23:00:00.000Z', '2026-11-21'],
  ])('begin at midnight of the business: %s belongs to %s', async (time, day) => {
    await happens([placed(new Date(time))], 'Europe/Berlin');
    for (const each of ['2026-11-20', '2026-11-21'])
      expect(await figuresOf(each)).toMatchObject({ placed: each === day ? 1 : 0 });
    await fold();
    for (const each of ['2026-11-20', '2026-11-21'])
      expect(await figuresOf(each)).toMatchObject({ placed: each === day ? 1 : 0 });
  });

  it('have percentiles that are off by half a percent at most, and an exact average', async () => {
    const duration = fc.oneof(
      fc.nat(2_000),
      fc.nat(600_000),
      fc.nat(LONGEST_MS),
      fc.constantFrom(0, 1, 999, 1_000, 1_005),
    );
    const batch = fc.array(duration, { minLength: 1, maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(batch, fc.boolean()), { minLength: 1, maxLength: 6 }),
        async (batches) => {
          await empty();
          for (const [durations, isFolded] of batches) {
            await happens(durations.map((ms) => confirmed(NOON, ms)));
            if (isFolded) await fold();
          }
          const all = batches.flatMap(([durations]) => durations).sort((a, b) => a - b);
          const found = await figuresOf('2026-11-20');
          expect(found.averageMs).toBe(Math.round(all.reduce((sum, ms) => sum + ms, 0) / all.length));
          for (const [share, ms] of [
            [0.5, found.p50Ms],
            [0.95, found.p95Ms],
            [0.99, found.p99Ms],
          ] as const) {
            const exact = exactPercentile(all, share);
            expect(Math.abs((ms as number) - exact)).toBeLessThanOrEqual(exact * 0.005);
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('a time to three digits', () => {
  it('is off by half a percent at most, exact below a second, and one of a few thousand', () => {
    fc.assert(
      fc.property(fc.nat(LONGEST_MS), (ms) => {
        const kept = toThreeDigits(ms);
        expect(Number.isInteger(kept)).toBe(true);
        expect(Math.abs(kept - ms)).toBeLessThanOrEqual(ms < 1000 ? 0 : ms * 0.005);
      }),
    );
    const kept = new Set(Array.from({ length: 600_001 }, (_, ms) => toThreeDigits(ms)));
    expect(kept.size).toBe(1_000 + 900 + 900 + 501);
  });
});

describe('how many orders there are', () => {
  const counts = async (extent: Extent = 'all') => {
    const { normal, high } = await readPopulation(extent, pool.manager);
    return { normal: atLeastOne(normal), high: atLeastOne(high) };
  };
  const atLeastOne = (byStatus: object) =>
    Object.fromEntries(Object.entries(byStatus).filter(([, count]) => count !== 0));

  it('follows every move, folded or not', async () => {
    const later = new Date('2026-12-01T00:00:00.000Z');
    await happens([placed(NOON), placed(NOON), placed(NOON, { priority: 'high' })]);
    await fold();
    await happens([moved(NOON, 'pending', 'processing'), placed(later)]);
    const expected = { normal: { pending: 2, processing: 1 }, high: { pending: 1 } };
    expect(await counts()).toEqual(expected);
    expect(await counts('folded')).toEqual({ normal: { pending: 2 }, high: { pending: 1 } });
    await fold();
    expect(await counts('folded')).toEqual(expected);
    expect(
      await database.query('SELECT month, count FROM order_counts WHERE count > 0 ORDER BY 1, 2'),
    ).toEqual([
      { month: '202611', count: '1' },
      { month: '202611', count: '1' },
      { month: '202611', count: '1' },
      { month: '202612', count: '1' },
    ]);
  });

  it('makes the queue, with the longest wait by the database clock', async () => {
    await database.stopTime(new Date('2026-11-20T12:00:05.900Z'));
    await database.query(`SELECT make_partitions('202610'), make_partitions('202611')`);
    const insert = (id: string, status: string, since: string) =>
      database.query(
        `INSERT INTO orders (id, customer_id, status, priority, currency, total_cents, placed_at, updated_at, version)
         VALUES ($1, 'alice', $2, 'normal', 'USD', 1, $3, $3, 1)`,
        [id, status, since],
      );
    await insert('202610010000000001', 'processing', '2026-10-01T12:00:00.000Z');
    await insert('202610010000000002', 'pending', '2026-11-20T12:00:03.000Z');
    await insert('202611200000000001', 'pending', '2026-11-20T12:00:00.000Z');
    await happens([placed(NOON), placed(NOON), moved(NOON, 'pending', 'processing'), placed(NOON)]);
    const queue = await readQueue(await readPopulation('all', pool.manager), pool.manager);
    expect(queue).toEqual({
      queued: 2,
      active: 1,
      oldestQueuedSeconds: 5,
      byPriority: {
        normal: { queued: 2, active: 1, oldestQueuedSeconds: 5 },
        high: { queued: 0, active: 0, oldestQueuedSeconds: null },
      },
    });
  });
});
