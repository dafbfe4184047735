import { DEAD_ORDERS_QUEUE, ORDERS_QUEUE, QUEUES } from '../queue-names.js';

/** SQL for the stored number in the id of a job: what `job_id_of()` made it from. */
const ORDER_OF_JOB = `('x' || right(replace(id::text, '-', ''), 16))::bit(64)::bigint`;

/** SQL for the orders that wait for a worker that will never come: `order_id`, `priority`. */
export const ORDERS_WITHOUT_JOB = `
  SELECT orders.id AS order_id, priority FROM orders WHERE status = 'pending' AND NOT EXISTS (
    SELECT FROM pgboss.job AS job WHERE job.name = '${ORDERS_QUEUE}' AND job.id = job_id_of(orders.id))`;

const JOBS = `
  SELECT name AS queue, state, ${ORDER_OF_JOB} AS order_id FROM pgboss.job WHERE name IN ('${QUEUES.join("', '")}')`;

const surplusAmong = (jobs: string) => `
  SELECT job.queue, job.order_id, job.state, orders.status
  FROM (${jobs}) AS job LEFT JOIN orders ON orders.id = job.order_id
  WHERE orders.status IS NULL OR orders.status <> CASE
    WHEN job.queue = '${DEAD_ORDERS_QUEUE}' THEN 'failed'
    WHEN job.state < 'active' THEN 'pending'
    WHEN job.state = 'active' THEN 'processing'
    ELSE 'none' END`;

/**
 * SQL for the jobs that do not fit their orders: `queue`, `order_id`, the job's `state` and the order's `status`, null when
 * there is no such order.
 */
export const SURPLUS_JOBS = surplusAmong(JOBS);

/** As {@link SURPLUS_JOBS}, of the orders with the stored numbers `$1`: an index knows jobs by their ids alone. */
export const SURPLUS_JOBS_OF_ORDERS = surplusAmong(
  `${JOBS} AND id = ANY(ARRAY(SELECT job_id_of(number) FROM unnest($1::bigint[]) AS number))`,
);
