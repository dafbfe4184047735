import type { BenchDatabase } from './database.ts';

export interface Books {
  orders: number;
  lines: number;
  allocations: number;
  journalRows: number;
  idempotencyKeys: number;
  /** Stock levels whose `allocated` is not the sum of the allocations behind it. */
  levelsThatDisagree: number;
}

export async function countOrders({ client }: BenchDatabase): Promise<number> {
  const { rows } = await client.query<{ count: number }>('SELECT count(*)::int AS count FROM orders');
  return rows[0]?.count ?? 0;
}

/** Counts what a contender wrote, for all of them must have written the same rows for one order. */
export async function readBooks({ client }: BenchDatabase): Promise<Books> {
  const { rows } = await client.query<Books>(`
    SELECT (SELECT count(*)::int FROM orders) AS "orders",
           (SELECT count(*)::int FROM order_lines) AS "lines",
           (SELECT count(*)::int FROM order_allocations) AS "allocations",
           (SELECT count(DISTINCT entity_id)::int FROM journal WHERE entity_type = 'order') AS "journalRows",
           (SELECT count(*)::int FROM idempotency_keys) AS "idempotencyKeys",
           (SELECT count(*)::int FROM stock_levels AS level
              LEFT JOIN (SELECT product_id, warehouse_id, sum(allocation.quantity) AS quantity
                         FROM order_allocations AS allocation JOIN order_lines USING (order_id, line_no)
                         GROUP BY product_id, warehouse_id) AS claims USING (product_id, warehouse_id)
            WHERE level.allocated <> coalesce(claims.quantity, 0)) AS "levelsThatDisagree"`);
  if (rows[0] === undefined) throw new Error('the books cannot be read');
  return rows[0];
}

/** @throws when an order lacks a row that belongs to it, or stock was taken that no order holds */
export async function checkBooks(contender: string, database: BenchDatabase): Promise<Books> {
  const books = await readBooks(database);
  const { orders, lines, allocations, journalRows, idempotencyKeys, levelsThatDisagree } = books;
  const complete =
    journalRows === orders && idempotencyKeys === orders && lines >= orders && allocations >= lines;
  if (!complete || levelsThatDisagree > 0) {
    throw new Error(`${contender}: the rows of its orders do not agree: ${JSON.stringify(books)}`);
  }
  return books;
}
