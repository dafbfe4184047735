import type { EntityManager } from 'typeorm';

import { DEAD_ORDERS_QUEUE, ORDERS_QUEUE, ORDERS_WITHOUT_JOB, SURPLUS_JOBS } from '@daybook/processing';

import { type Check, isDetached, monthOf, shown } from './check.js';

// Of a detached month only failed orders can have left something in a queue: they wait for it to come back.
const MISFITS = `
  SELECT queue, order_id, format('%s: its job is %s, the order %s', ${shown('order_id')}, state,
    coalesce('is ' || status, 'does not exist')) AS discrepancy
  FROM (${SURPLUS_JOBS}) AS surplus
  WHERE NOT (queue = '${DEAD_ORDERS_QUEUE}' AND status IS NULL AND ${isDetached(monthOf('order_id'))})`;

const ASK_FOR_FIX = 'Is Daybook at work on this database? Let `npm run doctor -- --fix` try again.';

export const QUEUE_CHECKS: readonly Check[] = [
  {
    name: 'queues/pending-orders',
    holds: 'Every pending order has a job, so that a worker will come to it.',
    isFixable: true,
    remedy: ASK_FOR_FIX,
    sql: `
      SELECT format('order %s is pending and has no job', ${shown('order_id')}) AS discrepancy
      FROM (${ORDERS_WITHOUT_JOB}) AS missing`,
  },
  {
    name: 'queues/jobs-belong',
    holds: 'A job that waits is of a pending order, one that is with a worker of an order in processing.',
    isFixable: true,
    remedy: ASK_FOR_FIX,
    sql: `SELECT discrepancy FROM (${MISFITS}) AS misfit WHERE queue = '${ORDERS_QUEUE}'`,
  },
  {
    name: 'queues/dead-belong',
    holds: 'What lies among the dead orders has failed.',
    isFixable: true,
    remedy: ASK_FOR_FIX,
    sql: `SELECT discrepancy FROM (${MISFITS}) AS misfit WHERE queue = '${DEAD_ORDERS_QUEUE}'`,
  },
];

const DRIFTS = `
  SELECT order_id::text AS stored FROM (
    SELECT order_id FROM (${ORDERS_WITHOUT_JOB}) AS missing UNION SELECT order_id FROM (${MISFITS}) AS misfit) AS drift
  WHERE order_id > $1::bigint ORDER BY order_id LIMIT $2`;

/** The orders behind the given one, by their stored numbers, that these checks find something about. */
export async function findQueueDrift(
  after: string,
  limit: number,
  manager: EntityManager,
): Promise<string[]> {
  const rows = await manager.query<{ stored: string }[]>(DRIFTS, [after, limit]);
  return rows.map(({ stored }) => stored);
}
