import pg from 'pg';

import { fixQueues } from '../../apps/api/src/doctor/fix.js';
import { fillOrders } from '../../bench/list/fill.ts';
import { seedCatalogue } from '../../bench/support/database.ts';
import { startTestApp, type TestApp } from '../support/app.js';
import { expectHealthy } from '../support/doctor.js';

// What the benchmark of lists measures must be what Daybook itself would have written.
const ORDERS = 2_000;
const INDEXES = `
  SELECT tablename, replace(indexname, tablename, '') AS name, replace(indexdef, tablename, '') AS definition
  FROM pg_indexes WHERE tablename IN ('orders', 'order_lines', 'order_allocations', 'client_order_ids', 'journal')
    OR tablename LIKE '%' || to_char(business_now(), '_YYYYMM') ORDER BY 1, 2`;

let daybook: TestApp;
let indexesBefore: object[];
beforeAll(async () => {
  daybook = await startTestApp({ DAYBOOK_ROLES: 'api' });
  const { url, query } = daybook.database;
  indexesBefore = await query(INDEXES);
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await seedCatalogue({ url, client });
  await fillOrders({ url, client }, { orders: ORDERS, days: 40, isHistoryFull: true });
  await client.end();
  await fixQueues(daybook.app);
});
afterAll(() => daybook.stop());

describe('a database that the benchmark filled', () => {
  it('has what was asked for, in every status, and none of today', async () => {
    const rows = await daybook.database.query<{ status: string; count: number; today: number }>(
      `SELECT status, count(*)::int, count(*) FILTER (WHERE placed_at >= business_now()::date)::int AS today
       FROM orders GROUP BY status ORDER BY status`,
    );
    expect(rows).toHaveLength(7);
    expect(rows.reduce((sum, { count }) => sum + count, 0)).toBe(ORDERS);
    expect(rows.every(({ today }) => today === 0)).toBe(true);
  });

  it('has the indexes that it had before', async () => {
    expect(indexesBefore.length).toBeGreaterThan(10);
    expect(await daybook.database.query(INDEXES)).toEqual(indexesBefore);
  });

  it('keeps every promise, also when orders are placed into it', async () => {
    await expectHealthy(daybook.database.url);
    const lines = [{ sku: 'SKU-00001', quantity: 2 }];
    const placed = await daybook.api('POST', '/orders', { body: { lines } });
    expect(placed.status).toBe(201);
    const list = await daybook.api('GET', '/orders?limit=1');
    expect(list.body.data).toEqual([placed.body]);
    await expectHealthy(daybook.database.url);
  });
});
