import { BoundedReads, loadConfig } from '@daybook/platform';

import type { OrderSort } from './order-filters.js';
import { pageStatement, type ResolvedFilters } from './order-search-sql.js';
import { createTestDatabase, type TestDatabase } from '../../../test/support/database.js';
import { flatten, type PlanNode, rowsOut, rowsRead } from '../../../test/support/plans.js';

const ORDERS = 120_000;
const PAGE = 51;
const LARGEST_PAGE = 200;
const SORTS = ['newest', 'oldest', 'highest', 'lowest'] as const;
const NO_FILTERS: ResolvedFilters = {
  owner: null,
  customerId: null,
  statuses: [],
  priority: null,
  placedFrom: null,
  placedTo: null,
  minTotalCents: null,
  maxTotalCents: null,
  clientOrderId: null,
  productId: null,
};

let database: TestDatabase;
let reads: BoundedReads;

/** Two years of orders: most are delivered, a few customers and products have many, the newest are not yet done. */
const FILL = `
  WITH filled AS (
    SELECT number, day, to_char(day, 'YYYYMMDD')::bigint * 10000000000 + row_number() OVER (PARTITION BY day) AS id,
      hashint4(number) & 1023 AS chance
    FROM generate_series(1, ${ORDERS}) AS number,
      LATERAL (SELECT date '2024-11-01' + number * 720 / ${ORDERS + 1} AS day) AS days),
  lines AS (
    INSERT INTO order_lines (order_id, line_no, product_id, name, quantity, unit_price_cents)
    SELECT id, line_no, 1 + (200 * power((hashint8(id + line_no) & 1023) / 1024.0, 3))::int, 'Product', 1, 100
    FROM filled, generate_series(1, 2) AS line_no)
  INSERT INTO orders (id, customer_id, priority, currency, total_cents, status, placed_at, updated_at, version)
  SELECT id, 'customer-' || (2000 * power((hashint4(number + 7) & 1023) / 1024.0, 3))::int,
    CASE WHEN chance % 10 = 0 THEN 'high' ELSE 'normal' END, 'USD', exp(5 + chance / 150.0)::bigint,
    CASE WHEN number > ${ORDERS - 600} THEN 'pending' WHEN chance < 15 THEN 'failed' WHEN chance < 80 THEN 'cancelled'
      WHEN number > ${ORDERS - 4000} THEN 'confirmed' WHEN number > ${ORDERS - 9000} THEN 'shipped' ELSE 'delivered' END,
    day + interval '1 second' * (number % 86400), day, 3
  FROM filled`;

beforeAll(async () => {
  database = await createTestDatabase();
  await database.query(`
    SELECT make_partitions(to_char(month, 'YYYYMM'))
    FROM generate_series(date '2024-11-01', date '2026-11-01', '1 month') AS month`);
  await database.query(FILL);
  await database.query('VACUUM (ANALYZE) orders, order_lines');
  reads = new BoundedReads(loadConfig({ DATABASE_URL: database.url, LIST_TIME_BUDGET_MS: '10000' }));
});
afterAll(async () => {
  await reads.onApplicationShutdown();
  await database.drop();
});

const rowsSorted = (plan: readonly PlanNode[]) =>
  Math.max(
    0,
    ...plan
      .filter((node) => node['Node Type'].endsWith('Sort'))
      .flatMap(({ Plans = [] }) => Plans.map(rowsOut)),
  );

async function planOf(filters: Partial<ResolvedFilters>, sort: OrderSort): Promise<PlanNode[]> {
  const { text, values } = pageStatement({ ...NO_FILTERS, ...filters }, sort, null, PAGE);
  const [row] = await reads.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(
    'explain',
    `EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) ${text}`,
    values,
    [],
  );
  return flatten(row?.['QUERY PLAN'][0].Plan as PlanNode);
}

describe.each<[what: string, filters: Partial<ResolvedFilters>]>([
  ['all orders', {}],
  ['orders of a customer who has many', { customerId: 'customer-0' }],
  ['orders of a customer who has few', { customerId: 'customer-1900' }],
  ["a customer's own orders", { owner: 'customer-0' }],
  ['pending orders', { statuses: ['pending'] }],
  ['failed orders', { statuses: ['failed'] }],
  ['delivered orders', { statuses: ['delivered'] }],
  ['orders that are under way', { statuses: ['pending', 'processing', 'confirmed'] }],
  ['orders that went wrong', { statuses: ['cancelled', 'failed'] }],
  ['urgent orders', { priority: 'high' }],
  ['urgent orders that are pending', { statuses: ['pending'], priority: 'high' }],
  ["a customer's failed orders", { customerId: 'customer-0', statuses: ['failed'] }],
  ['orders of a day', { placedFrom: new Date('2026-03-03Z'), placedTo: new Date('2026-03-04Z') }],
  ['orders of a month', { placedFrom: new Date('2026-03-01Z'), placedTo: new Date('2026-04-01Z') }],
  ['orders since a day', { placedFrom: new Date('2026-03-03Z') }],
  [
    'failed orders of a month',
    { statuses: ['failed'], placedFrom: new Date('2026-03-01Z'), placedTo: new Date('2026-04-01Z') },
  ],
  ['orders of at least', { minTotalCents: 100_000 }],
  ['orders of a product that many have', { productId: 1 }],
])('%s', (_, filters) => {
  it.each(SORTS)('are found along an index, %s first, without reading or sorting much', async (sort) => {
    const plan = await planOf(filters, sort);
    expect(plan.map((node) => node['Node Type'])).not.toContain('Seq Scan');
    expect(rowsSorted(plan)).toBeLessThanOrEqual(LARGEST_PAGE);
    expect(rowsRead(plan)).toBeLessThan(ORDERS / 10);
  });
});

describe('of a product that few orders have', () => {
  it.each(['highest', 'lowest'] as const)(
    'all orders are found, and only they are sorted, %s first',
    async (sort) => {
      const plan = await planOf({ productId: 199 }, sort);
      expect(plan.map((node) => node['Node Type'])).not.toContain('Seq Scan');
      expect(rowsSorted(plan)).toBeLessThan(ORDERS / 100);
    },
  );
});
