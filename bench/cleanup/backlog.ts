import { CATALOGUE } from '../support/catalogue.ts';
import type { BenchDatabase } from '../support/database.ts';

const CHUNK = 100_000;
// As if everything had been down since yesterday.
const OVERDUE_SINCE = '1 day';

/** What one relation takes on disk, its dead rows included. */
export interface Size {
  readonly name: string;
  readonly megabytes: number;
}

/** Makes reservations that were due long ago and that nobody has expired, one unit of a random product each. */
export async function makeBacklog(
  { client }: BenchDatabase,
  reservations: number,
  onProgress: (made: number) => void,
): Promise<void> {
  for (let made = 0; made < reservations; made += CHUNK) {
    await client.query(
      `WITH made AS MATERIALIZED (
         SELECT gen_random_uuid() AS id, product.id AS product_id, product.sku, warehouse.id AS warehouse_id,
           warehouse.code, business_now() - interval '${OVERDUE_SINCE}' + number * interval '1 ms' AS due
         FROM generate_series(1, $1::int) AS number
         JOIN products product ON product.id = 1 + (number * 7919::bigint) % $2::int
         JOIN warehouses warehouse ON warehouse.code = 'main'),
       reserved AS (
         INSERT INTO reservations (id, customer_id, status, lines, expires_at, created_at, updated_at, version)
         SELECT id, 'customer-0001', 'active', jsonb_build_array(jsonb_build_object('productId', product_id,
           'sku', sku, 'quantity', 1, 'allocations', jsonb_build_array(jsonb_build_object('warehouseId',
           warehouse_id, 'warehouse', code, 'quantity', 1)))), due, due - interval '10 minutes',
           due - interval '10 minutes', 1 FROM made),
       held AS (
         INSERT INTO stock_holds (reservation_id, product_id, warehouse_id, quantity, expires_at)
         SELECT id, product_id, warehouse_id, 1, due FROM made),
       journaled AS (
         INSERT INTO journal (occurred_at, actor, request_id, type, entity_type, entity_id, version, data)
         SELECT due - interval '10 minutes', 'customer-0001', 'backlog', 'reservation.created', 'reservation',
           id::text, 1, '{"after": {"status": "active"}}' FROM made)
       UPDATE stock_levels level SET reserved = level.reserved + taken.quantity
       FROM (SELECT product_id, warehouse_id, count(*) AS quantity FROM made GROUP BY product_id, warehouse_id) AS taken
       WHERE level.product_id = taken.product_id AND level.warehouse_id = taken.warehouse_id`,
      [Math.min(CHUNK, reservations - made), CATALOGUE.products],
    );
    onProgress(Math.min(made + CHUNK, reservations));
  }
  await client.query('VACUUM (ANALYZE) reservations, stock_holds, stock_levels, journal');
}

/** How many are still written down as active, though overdue. */
export async function countBacklog({ client }: BenchDatabase): Promise<number> {
  const { rows } = await client.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM reservations WHERE status = 'active' AND expires_at <= business_now()`,
  );
  return rows[0]?.count ?? 0;
}

/** The tables that the sweep writes to, and their indexes. */
export async function measureSizes({ client }: BenchDatabase): Promise<Size[]> {
  const { rows } = await client.query<{ name: string; bytes: string }>(
    `SELECT relation.relname AS name, pg_relation_size(relation.oid) AS bytes
     FROM pg_class relation
     WHERE relation.oid IN ('reservations'::regclass, 'stock_holds'::regclass, 'stock_levels'::regclass)
       OR relation.oid IN (SELECT indexrelid FROM pg_index
         WHERE indrelid IN ('reservations'::regclass, 'stock_holds'::regclass, 'stock_levels'::regclass))
     ORDER BY relation.relname`,
  );
  return rows.map(({ name, bytes }) => ({ name, megabytes: Number(bytes) / 2 ** 20 }));
}
