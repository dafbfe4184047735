import type { EntityManager } from 'typeorm';

import type { JobRun } from '@daybook/platform';

/** The period of `order_moves` and `order_times` that ends with the next report. */
export const OPEN_INTERVAL = 'interval';

const TALLIES_AT_ONCE = 2_000;

const TAKE_TURNS = `SELECT pg_advisory_xact_lock(hashtextextended('order figures', 0))`;

// One statement sees each tally once. Those that commit while it runs are there for the next.
const FOLD = `
  WITH taken AS (
    DELETE FROM order_tallies WHERE id = ANY(ARRAY(SELECT id FROM order_tallies ORDER BY id LIMIT $1)) RETURNING *),
  counted AS (
    INSERT INTO order_counts (month, priority, status, count)
    SELECT month, priority, status, sum(count) FROM (
      SELECT month, priority, to_status, count FROM taken
      UNION ALL SELECT month, priority, from_status, -count FROM taken WHERE from_status IS NOT NULL)
      AS change (month, priority, status, count)
    GROUP BY month, priority, status
    ON CONFLICT (month, priority, status) DO UPDATE SET count = order_counts.count + excluded.count),
  moved AS (
    INSERT INTO order_moves (period, priority, from_status, to_status, outcome, count, total_ms)
    SELECT period, priority, from_status, to_status, outcome, sum(count), sum(total_ms)
    FROM taken, LATERAL (VALUES (day::text), ('${OPEN_INTERVAL}')) AS periods (period)
    GROUP BY period, priority, from_status, to_status, outcome
    ON CONFLICT (period, priority, from_status, to_status, outcome)
      DO UPDATE SET count = order_moves.count + excluded.count, total_ms = order_moves.total_ms + excluded.total_ms),
  timed AS (
    INSERT INTO order_times (period, priority, ms, count)
    SELECT period, priority, ms, count(*)
    FROM taken, unnest(times_ms) AS ms, LATERAL (VALUES (day::text), ('${OPEN_INTERVAL}')) AS periods (period)
    GROUP BY period, priority, ms
    ON CONFLICT (period, priority, ms) DO UPDATE SET count = order_times.count + excluded.count)
  SELECT count(*)::int AS count FROM taken`;

/** Waits until nobody else folds, reports or corrects, and keeps others from it until the transaction ends. */
export async function takeTurns(manager: EntityManager): Promise<void> {
  await manager.query(TAKE_TURNS);
}

/** Moves the oldest tallies into the totals. @returns how many, a bounded number */
export async function foldTallies(manager: EntityManager): Promise<number> {
  await takeTurns(manager);
  const [{ count }] = (await manager.query(FOLD, [TALLIES_AT_ONCE])) as [{ count: number }];
  return count;
}

/** Folds until a batch was not full: what came meanwhile is for the next run. */
export async function foldAll(run: JobRun): Promise<void> {
  await run.repeat(async () => {
    const count = await run.batch(foldTallies);
    return count < TALLIES_AT_ONCE ? 0 : count;
  });
}

/** Begins a new interval; the last one was reported in the same transaction. */
export async function closeInterval(manager: EntityManager): Promise<void> {
  await manager.query(`DELETE FROM order_moves WHERE period = '${OPEN_INTERVAL}'`);
  await manager.query(`DELETE FROM order_times WHERE period = '${OPEN_INTERVAL}'`);
}
