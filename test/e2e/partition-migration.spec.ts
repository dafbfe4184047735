import { rm } from 'node:fs/promises';

import { dataSourceOptions, migrate } from '@daybook/platform';
import { DataSource } from 'typeorm';

import { withTestApp } from '../support/app.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { expectHealthy } from '../support/doctor.js';
import { librariesBefore } from '../support/older-libraries.js';

const FIRST_OF_THE_NEW_SHAPE = '20261120_1600_partitions.sql';

let database: TestDatabase;
let pool: DataSource;
/** A folder of libraries as they were before tables were split into months. */
let oldLibraries: string;

beforeAll(async () => {
  database = await createTestDatabase();
  pool = await new DataSource(dataSourceOptions(database.url, 2)).initialize();
  oldLibraries = await librariesBefore(FIRST_OF_THE_NEW_SHAPE);
});
afterAll(async () => {
  await pool.destroy();
  await database.drop();
  await rm(oldLibraries, { recursive: true });
});
beforeEach(async () => {
  await database.query('DROP SCHEMA IF EXISTS pgboss CASCADE');
  await database.query('DROP SCHEMA public CASCADE');
  await database.query('CREATE SCHEMA public');
  await migrate(pool, oldLibraries);
});

/** Orders of four months, the first and the last moment of one among them; two have been cancelled since. */
async function fillBooks(): Promise<void> {
  await database.query(`
    INSERT INTO products (sku, name, price_cents, currency, created_at, updated_at)
    VALUES ('TEA', 'Tea', 100, 'USD', now(), now());
    INSERT INTO stock_levels (product_id, warehouse_id, on_hand, allocated) VALUES (1, 1, 100, 3);
    INSERT INTO stock_movements (product_id, warehouse_id, kind, quantity_delta, reason, occurred_at)
    VALUES (1, 1, 'received', 100, 'received', now());
    INSERT INTO orders (id, customer_id, client_order_id, status, priority, currency, total_cents, placed_at, updated_at,
      version)
    SELECT id, 'alice', name, status, 'normal', 'USD', 100, placed_at, placed_at, version
    FROM (VALUES
      (202512310000000001, NULL, 'pending', timestamptz '2025-12-31T23:59:59.999Z', 1),
      (202601010000000001, 'cart-1', 'cancelled', '2026-01-01T00:00:00.000Z', 2),
      (202601010000000002, NULL, 'pending', '2026-01-01T00:00:00.001Z', 1),
      (202601310000100000, NULL, 'cancelled', '2026-01-31T23:59:59.999Z', 2),
      (202611200000000001, NULL, 'pending', '2026-11-20T12:00:00.000Z', 1)) AS placed (id, name, status, placed_at, version);
    INSERT INTO order_lines (order_id, line_no, product_id, name, quantity, unit_price_cents)
    SELECT id, 1, 1, 'Tea', 1, 100 FROM orders;
    INSERT INTO order_allocations (order_id, line_no, warehouse_id, quantity) SELECT id, 1, 1, 1 FROM orders;
    INSERT INTO client_order_ids VALUES ('alice', 'cart-1', 202601010000000001);
    INSERT INTO journal (occurred_at, actor, request_id, type, entity_type, entity_id, version, data)
    SELECT placed_at, 'alice', 'r', 'order.placed', 'order',
      regexp_replace(id::text, '^(\\d{8})0{0,5}', '\\1-'), 1, '{"after":{"status":"pending"}}' FROM orders ORDER BY id`);
  // A position that was given and not kept: it must not be given again.
  await database.query(`
    BEGIN; INSERT INTO journal (occurred_at, actor, request_id, type, entity_type, entity_id, data)
    VALUES (now(), 'nobody', 'r', 't', 'e', 'i', '{}'); ROLLBACK`);
  // Cancelled in the month behind.
  await database.query(`
    INSERT INTO journal (occurred_at, actor, request_id, type, entity_type, entity_id, version, data)
    SELECT occurred_at + interval '1 month', 'alice', 'r', 'order.status_changed', 'order', entity_id, 2,
      '{"before":{"status":"pending"},"after":{"status":"cancelled"}}'
    FROM journal WHERE entity_id IN ('20260101-00001', '20260131-100000') ORDER BY position`);
}

const contents = async () =>
  Promise.all(
    ['orders', 'order_lines', 'order_allocations', 'journal'].map((table) =>
      database.query(`SELECT to_jsonb(${table}) AS row FROM ${table} ORDER BY to_jsonb(${table})::text`),
    ),
  );

const monthsOf = async (table: string) =>
  (
    await database.query<{ month: string; rows: number }>(
      `SELECT right(tableoid::regclass::text, 6) AS month, count(*)::int AS rows FROM ${table} GROUP BY 1 ORDER BY 1`,
    )
  ).map(({ month, rows }) => [month, rows]);

const append = async (entity: string) => {
  const [row] = await database.query<{ position: string }>(
    `INSERT INTO journal (occurred_at, actor, request_id, type, entity_type, entity_id, version, data)
     VALUES ('2026-01-20', 'alice', 'r', 'kettle.boiled', 'kettle', '${entity}', 1, '{}') RETURNING position`,
  );
  return Number(row?.position);
};

describe('a database from before tables were split into months', () => {
  it('keeps every row, in its month', async () => {
    await fillBooks();
    const before = await contents();
    await migrate(pool);
    expect(await contents()).toEqual(before);
    const months = [
      ['202512', 1],
      ['202601', 3],
      ['202611', 1],
    ];
    expect(await monthsOf('orders')).toEqual(months);
    expect(await monthsOf('order_lines')).toEqual(months);
    expect(await monthsOf('order_allocations')).toEqual(months);
    expect(await monthsOf('journal')).toEqual([
      ['202512', 1],
      ['202601', 3],
      // The last of January, a month later.
      ['202602', 2],
      ['202611', 1],
    ]);
    // The first start gives the orders that are pending their jobs.
    await withTestApp({ DATABASE_URL: database.url }, () => expectHealthy(database.url));
  });

  it('goes on behind the last position that was ever given', async () => {
    await fillBooks();
    const [{ last }] = (await database.query('SELECT last_value::int AS last FROM journal_position_seq')) as [
      { last: number },
    ];
    await migrate(pool);
    expect(await append('blue')).toBe(last + 1);
    expect(await append('red')).toBe(last + 2);
  });

  it('begins at position 1 when nothing was written yet', async () => {
    await migrate(pool);
    await database.query(`SELECT make_partitions('202601')`);
    expect(await append('blue')).toBe(1);
  });

  it('is left with nothing of the old shape', async () => {
    await fillBooks();
    await migrate(pool);
    const left = `SELECT relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
      WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'public', 'pg_toast')`;
    expect(await database.query(left)).toEqual([]);
    expect(await database.query(`SELECT FROM pg_namespace WHERE nspname = 'unpartitioned'`)).toEqual([]);
  });

  it('is not touched when something of the operator depends on its tables', async () => {
    await fillBooks();
    await database.query('CREATE VIEW sold AS SELECT sum(total_cents) FROM orders');
    const before = await contents();
    await expect(migrate(pool)).rejects.toMatchObject({
      cause: { message: expect.stringContaining('depend on') },
    });
    expect(await contents()).toEqual(before);
    expect(await database.query('SELECT * FROM sold')).toHaveLength(1);
  });
});
