import type { OrderPriority, OrderStatus } from '@daybook/orders';

import type { TestDatabase } from './database.js';

/** An order as it stands in the tables, for tests that need many of them or other days than today. */
export interface OrderRow {
  /** Day of the business, and number within it: `20261120`, `7`. */
  readonly day: string;
  readonly n: number;
  readonly placedAt: Date;
  readonly customerId: string;
  readonly clientOrderId: string | null;
  readonly status: OrderStatus;
  readonly priority: OrderPriority;
  readonly totalCents: number;
  /** A line of each; one may be there twice. */
  readonly productIds: readonly number[];
}

/** Writes orders without stock, journal or jobs: only to be found and read. */
export async function insertOrders(database: TestDatabase, orders: readonly OrderRow[]): Promise<void> {
  const months = [...new Set(orders.map(({ day }) => day.slice(0, 6)))];
  await database.query('SELECT make_partitions(month) FROM unnest($1::text[]) AS month', [months]);
  const rows = orders.map((order) => ({ ...order, id: `${order.day}${String(order.n).padStart(10, '0')}` }));
  await database.query(
    `WITH wanted AS (
       SELECT * FROM jsonb_to_recordset($1) AS wanted (id bigint, "placedAt" timestamptz, "customerId" text,
         "clientOrderId" text, status text, priority text, "totalCents" bigint, "productIds" int[])),
     lines AS (
       INSERT INTO order_lines (order_id, line_no, product_id, name, quantity, unit_price_cents)
       SELECT id, line_no, product_id, 'Product', 1, "totalCents"
       FROM wanted, unnest("productIds") WITH ORDINALITY AS line (product_id, line_no)),
     named AS (
       INSERT INTO client_order_ids (customer_id, client_order_id, order_id)
       SELECT "customerId", "clientOrderId", id FROM wanted WHERE "clientOrderId" IS NOT NULL)
     INSERT INTO orders (id, customer_id, client_order_id, priority, currency, total_cents, status, placed_at,
       updated_at, version)
     SELECT id, "customerId", "clientOrderId", priority, 'USD', "totalCents", status, "placedAt", "placedAt", 1
     FROM wanted`,
    [JSON.stringify(rows)],
  );
}
