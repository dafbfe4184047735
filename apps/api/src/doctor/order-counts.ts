import type { OrderCountDrift } from '@daybook/metrics';
import type { EntityManager } from 'typeorm';

import { isDetached, monthOf } from './check.js';

/**
 * SQL for where the figures count other orders than there are, by the month of their numbers: orders of a month that was
 * detached are counted, and can no longer be seen.
 */
export const ORDER_COUNTS_DRIFT = `
  SELECT month, priority, status, coalesce(found.count, 0) AS found, coalesce(counted.count, 0) AS counted
  FROM (
    SELECT ${monthOf('id')} AS month, priority, status, count(*) AS count FROM orders GROUP BY 1, 2, 3) AS found
  FULL JOIN (
    SELECT month, priority, status, sum(count) AS count FROM (
      SELECT month, priority, status, count FROM order_counts
      UNION ALL SELECT month, priority, to_status, count FROM order_tallies
      UNION ALL SELECT month, priority, from_status, -count FROM order_tallies WHERE from_status IS NOT NULL) AS counts
    GROUP BY month, priority, status) AS counted USING (month, priority, status)
  WHERE coalesce(found.count, 0) <> coalesce(counted.count, 0) AND NOT ${isDetached('month')}`;

/** It looks at every order there is; nobody waits for it. */
export async function findOrderCountDrift(manager: EntityManager): Promise<OrderCountDrift[]> {
  await manager.query('SET LOCAL statement_timeout = 0; SET LOCAL enable_seqscan = on');
  return (await manager.query(
    `SELECT month, priority, status, (found - counted)::float8 AS delta FROM (${ORDER_COUNTS_DRIFT}) AS drift
     ORDER BY month, priority, status`,
  )) as OrderCountDrift[];
}
