import { BoundedReads, loadConfig } from '@daybook/platform';

import { createTestDatabase, type TestDatabase } from '../../../../test/support/database.js';
import { flatten, type PlanNode, rowsRead } from '../../../../test/support/plans.js';
import { type ExchangeOrderFilters, listStatement } from './list-statement.js';

const ORDERS = 60_000;
const PAGE = 51;
const NO_FILTERS: ExchangeOrderFilters = { owner: null, statuses: [], instrument: null, side: null };

let database: TestDatabase;
let reads: BoundedReads;

/** A year of orders: most are filled, a few customers and instruments have many, the newest are open. */
const FILL = `
  WITH made AS (
    SELECT number, day, to_char(day, 'YYYYMMDD')::bigint * 10000000000 + row_number() OVER (PARTITION BY day) AS id,
      hashint4(number) & 1023 AS chance
    FROM generate_series(1, ${ORDERS}) AS number,
      LATERAL (SELECT date '2025-12-01' + number * 360 / ${ORDERS + 1} AS day) AS days)
  INSERT INTO exchange_orders (id, customer_id, venue, instrument, side, type, quantity, status, placed_at, updated_at, version)
  SELECT id, 'customer-' || (2000 * power((hashint4(number + 7) & 1023) / 1024.0, 3))::int, 'XSIM',
    'US' || lpad((500 * power((hashint4(number + 11) & 1023) / 1024.0, 3))::int::text, 10, '0'),
    CASE WHEN chance % 2 = 0 THEN 'buy' ELSE 'sell' END, 'market', 1,
    CASE WHEN number > ${ORDERS - 20} THEN 'pending' WHEN number > ${ORDERS - 600} THEN 'created'
      WHEN chance < 15 THEN 'failed' WHEN chance < 80 THEN 'cancelled' ELSE 'filled' END,
    day + interval '1 second' * (number % 86400), day, 3
  FROM made`;

beforeAll(async () => {
  database = await createTestDatabase();
  await database.query(`
    SELECT make_partitions(to_char(month, 'YYYYMM'))
    FROM generate_series(date '2025-12-01', date '2026-12-01', '1 month') AS month`);
  await database.query(FILL);
  await database.query('VACUUM (ANALYZE) exchange_orders');
  reads = new BoundedReads(loadConfig({ DATABASE_URL: database.url, LIST_TIME_BUDGET_MS: '10000' }));
});
afterAll(async () => {
  await reads.onApplicationShutdown();
  await database.drop();
});

async function planOf(filters: Partial<ExchangeOrderFilters>, before: string | null): Promise<PlanNode[]> {
  const { text, values } = listStatement({ ...NO_FILTERS, ...filters }, before, PAGE);
  const [row] = await reads.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(
    'explain',
    `EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) ${text}`,
    values,
  );
  return flatten(row?.['QUERY PLAN'][0].Plan as PlanNode);
}

describe.each<[what: string, filters: Partial<ExchangeOrderFilters>]>([
  ['all orders', {}],
  ['the orders of a customer who has many', { owner: 'customer-0' }],
  ['the orders of a customer who has few', { owner: 'customer-1900' }],
  ['orders whose fate is unknown', { statuses: ['pending', 'cancel_pending'] }],
  ['open orders', { statuses: ['pending', 'created', 'partially_filled', 'cancel_pending'] }],
  ['filled orders', { statuses: ['filled'] }],
  ['orders that came to nothing', { statuses: ['failed', 'rejected', 'expired', 'cancelled'] }],
  ['orders for an instrument that many want', { instrument: 'US0000000000' }],
  ['orders for an instrument that few want', { instrument: 'US0000000490' }],
  ['what was sold', { side: 'sell' }],
  ['what was bought of an instrument', { instrument: 'US0000000000', side: 'buy' }],
])('a page of %s', (_, filters) => {
  it.each([
    ['the first', null],
    ['one further down', '202606150000000001'],
  ])('is read from an index, and little beside it: %s', async (_which, before) => {
    const plan = await planOf(filters, before);
    expect(plan.filter((node) => node['Node Type'] === 'Seq Scan' && rowsRead([node]) > 0)).toEqual([]);
    const pages = Math.max(1, filters.statuses?.length ?? 1);
    // What is frequent may as well be found on the way past the others.
    expect(rowsRead(plan)).toBeLessThan(pages * PAGE * 20);
  });
});
