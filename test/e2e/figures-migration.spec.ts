import { rm } from 'node:fs/promises';

import { dataSourceOptions, migrate } from '@daybook/platform';
import { DataSource } from 'typeorm';

import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { librariesBefore } from '../support/older-libraries.js';

const FIGURES = '20261121_1320_order_figures.sql';

let database: TestDatabase;
let pool: DataSource;
/** A folder of libraries as they were before orders were counted. */
let oldLibraries: string;

beforeAll(async () => {
  database = await createTestDatabase();
  pool = await new DataSource(dataSourceOptions(database.url, 2)).initialize();
  oldLibraries = await librariesBefore(FIGURES);
  await database.query('DROP SCHEMA public CASCADE');
  await database.query('CREATE SCHEMA public');
  await migrate(pool, oldLibraries);
});
afterAll(async () => {
  await pool.destroy();
  await database.drop();
  await rm(oldLibraries, { recursive: true });
});

it('a database from before orders were counted begins with the orders it has', async () => {
  await database.query(`SELECT make_partitions('202610'), make_partitions('202611')`);
  await database.query(`
    INSERT INTO products (sku, name, price_cents, currency, created_at, updated_at)
    VALUES ('TEA', 'Tea', 100, 'USD', now(), now())`);
  await database.query(`
    INSERT INTO orders (id, customer_id, status, priority, currency, total_cents, placed_at, updated_at, version)
    SELECT day * 10000000000 + n, 'alice', status, priority, 'USD', 0, placed_at, placed_at, 1
    FROM (VALUES (20261031, 'delivered', 'normal', timestamptz '2026-10-31T12:00:00Z', 400),
      (20261120, 'pending', 'normal', '2026-11-20T12:00:00Z', 30), (20261121, 'pending', 'high', '2026-11-21T12:00:00Z', 2))
      AS batch (day, status, priority, placed_at, size), generate_series(1, size) AS n`);
  await migrate(pool);
  expect(
    await database.query('SELECT month, priority, status, count FROM order_counts ORDER BY 1, 2'),
  ).toEqual([
    { month: '202610', priority: 'normal', status: 'delivered', count: '400' },
    { month: '202611', priority: 'high', status: 'pending', count: '2' },
    { month: '202611', priority: 'normal', status: 'pending', count: '30' },
  ]);
});
