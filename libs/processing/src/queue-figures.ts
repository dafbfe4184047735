import { Inject, Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';

import { inTransaction } from '@daybook/platform';

import { DEAD_ORDERS_QUEUE, ORDERS_QUEUE, QUEUES } from './queue-names.js';
import { LOWEST_HIGH_RANK } from './order-rank.js';
import { type QueueState, STATE_COLUMNS } from './queue.dto.js';

/** How much lies in a queue, and how long. */
export interface QueueFigures extends QueueState {
  readonly depth: number;
  readonly readyHigh: number;
  readonly readyNormal: number;
  readonly retryingHigh: number;
  readonly retryingNormal: number;
  readonly active: number;
  readonly dead: number;
  readonly oldestSeconds: number | null;
}

// Served by the index active_orders.
const ACTIVE = `SELECT count(*) FROM pgboss.job WHERE name = '${ORDERS_QUEUE}' AND state = 'active'`;

/** SQL for what workers may take, of one kind. */
const shareOf = (isHigh: boolean, isReady: boolean) => `
  coalesce(sum(share.count) FILTER (WHERE queue.name = '${ORDERS_QUEUE}'
    AND share.is_high = ${isHigh} AND share.is_ready = ${isReady}), 0)::float8`;

// Jobs that are done are gone, so only what waits is counted: the index that workers take jobs from has it all.
const READ = `
  WITH share AS (
    SELECT name, priority >= ${LOWEST_HIGH_RANK} AS is_high, start_after <= now() AS is_ready, count(*) AS count,
      min(created_on) AS oldest
    FROM pgboss.job WHERE name IN ('${QUEUES.join("', '")}') AND state < 'active' AND NOT blocked
    GROUP BY 1, 2, 3)
  SELECT ${STATE_COLUMNS}, coalesce(sum(share.count), 0)::float8 AS depth,
    ${shareOf(true, true)} AS "readyHigh", ${shareOf(false, true)} AS "readyNormal",
    ${shareOf(true, false)} AS "retryingHigh", ${shareOf(false, false)} AS "retryingNormal",
    CASE queue.name WHEN '${ORDERS_QUEUE}' THEN (${ACTIVE}) ELSE 0 END::float8 AS active,
    CASE queue.name WHEN '${ORDERS_QUEUE}'
      THEN (SELECT coalesce(sum(count), 0) FROM share WHERE name = '${DEAD_ORDERS_QUEUE}') ELSE 0 END::float8 AS dead,
    CASE WHEN count(share.name) > 0
      THEN greatest(0, floor(extract(epoch FROM now() - min(share.oldest)))) END::float8 AS "oldestSeconds"
  FROM order_queues queue LEFT JOIN share ON share.name = queue.name
  GROUP BY queue.name ORDER BY queue.name`;

/** Attempts that hold their orders now. */
export async function countActive(manager: EntityManager): Promise<number> {
  const [row] = (await manager.query(`SELECT (${ACTIVE})::int AS active`)) as [{ active: number }];
  return row.active;
}

/** Counts what lies in the queues, all of it in one snapshot. Takes the longer the more there waits. */
@Injectable()
export class QueueFiguresReader {
  constructor(@Inject(DataSource) private readonly database: DataSource) {}

  read(): Promise<readonly QueueFigures[]> {
    return inTransaction(this.database, async (manager) => {
      // Where much waits that has only just come, the table is cheaper to read than its index.
      await manager.query('SET LOCAL enable_seqscan = on');
      return manager.query<QueueFigures[]>(READ);
    });
  }
}
