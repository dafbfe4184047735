import type { EntityManager } from 'typeorm';

import { ORDER_PRIORITIES, ORDER_STATUSES, type OrderPriority, type OrderStatus } from '@daybook/orders';

/** What happened to orders in a period. Times are of the attempts that came to an end; null: there were none. */
export interface Throughput {
  readonly placed: number;
  readonly confirmed: number;
  readonly failed: number;
  /** Attempts that took too long, whether or not another one followed. */
  readonly timedOut: number;
  /** Attempts after which the order was put back into the queue, to be tried once more; not those handed back. */
  readonly retried: number;
  readonly averageMs: number | null;
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
  readonly p99Ms: number | null;
}

/** What waits and what is being worked on at a moment. */
export interface Queue {
  readonly queued: number;
  readonly active: number;
  /** Since it was placed, or put back into the queue; null: nothing waits. */
  readonly oldestQueuedSeconds: number | null;
}

/** A figure in total, and of each priority. */
export type WithPriorities<T> = T & { readonly byPriority: Readonly<Record<OrderPriority, T>> };

/** How many orders are in each status, by priority. */
export type Population = Readonly<Record<OrderPriority, Readonly<Record<OrderStatus, number>>>>;

/**
 * What is read. `folded`: what has been folded, which stands still for whoever folds. `all`: with the tallies that have
 * not, each part in one statement; so nothing is missing, and nothing there twice.
 */
export type Extent = 'folded' | 'all';

// However many orders there are: a row per kind of move, some thousand times, and the tallies since the last folding.
// A percentile is the smallest time that so many attempts did not exceed.
const READ_THROUGHPUT = `
  WITH tallies AS (SELECT * FROM order_tallies WHERE $2::boolean AND day::text = $1),
  moves AS (
    SELECT priority, from_status, to_status, outcome, count, total_ms FROM order_moves WHERE period = $1
    UNION ALL SELECT priority, from_status, to_status, outcome, count, total_ms FROM tallies),
  times AS (
    SELECT priority, ms, count FROM order_times WHERE period = $1
    UNION ALL SELECT priority, ms, 1 FROM tallies, unnest(times_ms) AS ms),
  counted AS (
    SELECT coalesce(priority, 'all') AS scope,
      sum(count) FILTER (WHERE from_status IS NULL) AS placed,
      sum(count) FILTER (WHERE to_status = 'confirmed') AS confirmed,
      sum(count) FILTER (WHERE to_status = 'failed') AS failed,
      sum(count) FILTER (WHERE outcome = 'timed_out') AS timed_out,
      sum(count) FILTER (WHERE from_status = 'processing' AND to_status = 'pending'
        AND outcome IS DISTINCT FROM 'handed_back') AS retried,
      sum(total_ms) AS total_ms
    FROM moves GROUP BY GROUPING SETS ((priority), ())),
  ranked AS (
    SELECT scope, ms, sum(sum(count)) OVER (PARTITION BY scope ORDER BY ms) AS up_to,
      sum(sum(count)) OVER (PARTITION BY scope) AS measured
    FROM times, LATERAL (VALUES (priority), ('all')) AS scopes (scope) GROUP BY scope, ms),
  measured AS (
    SELECT scope, max(measured) AS measured, min(ms) FILTER (WHERE up_to >= 0.5 * measured) AS p50,
      min(ms) FILTER (WHERE up_to >= 0.95 * measured) AS p95, min(ms) FILTER (WHERE up_to >= 0.99 * measured) AS p99
    FROM ranked GROUP BY scope)
  SELECT scope, coalesce(placed, 0)::float8 AS placed, coalesce(confirmed, 0)::float8 AS confirmed,
    coalesce(failed, 0)::float8 AS failed, coalesce(timed_out, 0)::float8 AS "timedOut",
    coalesce(retried, 0)::float8 AS retried, round(total_ms / measured)::float8 AS "averageMs",
    p50::float8 AS "p50Ms", p95::float8 AS "p95Ms", p99::float8 AS "p99Ms"
  FROM counted LEFT JOIN measured USING (scope)`;

const NOTHING: Throughput = {
  placed: 0,
  confirmed: 0,
  failed: 0,
  timedOut: 0,
  retried: 0,
  averageMs: null,
  p50Ms: null,
  p95Ms: null,
  p99Ms: null,
};

/** @param period a business day (2026-11-20), or the open interval */
export async function readThroughput(
  period: string,
  extent: Extent,
  manager: EntityManager,
): Promise<WithPriorities<Throughput>> {
  const rows = (await manager.query(READ_THROUGHPUT, [period, extent === 'all'])) as (Throughput & {
    scope: string;
  })[];
  const found = new Map(rows.map(({ scope, ...figures }) => [scope, figures]));
  return { ...(found.get('all') ?? NOTHING), byPriority: perPriority((each) => found.get(each) ?? NOTHING) };
}

const READ_POPULATION = `
  SELECT priority, status, sum(count)::float8 AS count FROM (
    SELECT priority, status, count FROM order_counts
    UNION ALL SELECT priority, to_status, count FROM order_tallies WHERE $1::boolean
    UNION ALL SELECT priority, from_status, -count FROM order_tallies WHERE $1::boolean AND from_status IS NOT NULL)
    AS counted
  GROUP BY priority, status`;

export async function readPopulation(extent: Extent, manager: EntityManager): Promise<Population> {
  const rows = (await manager.query(READ_POPULATION, [extent === 'all'])) as {
    priority: string;
    status: string;
    count: number;
  }[];
  const found = new Map(rows.map(({ priority, status, count }) => [`${priority} ${status}`, count]));
  return perPriority((priority) => {
    const counts = ORDER_STATUSES.map((status) => [status, found.get(`${priority} ${status}`) ?? 0]);
    return Object.fromEntries(counts) as Record<OrderStatus, number>;
  });
}

// One look at the front of the queue of each priority, in each month: see the index orders_queued.
const READ_OLDEST = `
  SELECT priority, extract(epoch FROM business_now() - (
    SELECT min(updated_at) FROM orders WHERE status = 'pending' AND orders.priority = queue.priority))::float8 AS seconds
  FROM unnest($1::text[]) AS queue (priority)`;

/** The queue of that population; oldest by the time at which this is read. */
export async function readQueue(
  population: Population,
  manager: EntityManager,
): Promise<WithPriorities<Queue>> {
  const rows = (await manager.query(READ_OLDEST, [ORDER_PRIORITIES])) as {
    priority: OrderPriority;
    seconds: number | null;
  }[];
  const oldest = new Map(rows.map(({ priority, seconds }) => [priority, seconds]));
  const byPriority = perPriority((priority) => {
    const { pending: queued, processing: active } = population[priority];
    // Without a snapshot an order may have come or gone since it was counted.
    const seconds = Math.max(0, Math.floor(oldest.get(priority) ?? 0));
    return { queued, active, oldestQueuedSeconds: queued === 0 ? null : seconds };
  });
  const all = Object.values(byPriority);
  const ages = all.flatMap(({ oldestQueuedSeconds }) => oldestQueuedSeconds ?? []);
  return {
    queued: all.reduce((sum, { queued }) => sum + queued, 0),
    active: all.reduce((sum, { active }) => sum + active, 0),
    oldestQueuedSeconds: ages.length === 0 ? null : Math.max(...ages),
    byPriority,
  };
}

/** The moment and its business day, by the database clock. */
export async function readClock(
  timezone: string,
  manager: EntityManager,
): Promise<{ readonly now: Date; readonly today: string }> {
  const [clock] = (await manager.query(
    `SELECT now, (now AT TIME ZONE $1)::date::text AS today
     FROM (SELECT date_trunc('milliseconds', business_now()) AS now) AS clock`,
    [timezone],
  )) as [{ now: Date; today: string }];
  return clock;
}

function perPriority<T>(of: (priority: OrderPriority) => T): Record<OrderPriority, T> {
  return Object.fromEntries(ORDER_PRIORITIES.map((priority) => [priority, of(priority)])) as Record<
    OrderPriority,
    T
  >;
}
