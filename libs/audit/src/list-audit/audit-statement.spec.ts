import { BoundedReads, loadConfig } from '@daybook/platform';

import { createTestDatabase, type TestDatabase } from '../../../../test/support/database.js';
import { flatten, type PlanNode } from '../../../../test/support/plans.js';
import { type AuditFilters, type AuditKey, auditStatement } from './audit-statement.js';

const MONTHS = ['202607', '202608', '202609', '202610', '202611'];
const ORDERS_PER_MONTH = 13_000;
/** A page, and the row that tells whether there is another. */
const PAGE = 51;

let database: TestDatabase;
/** As the list has it: the same settings, and planned for the values each time. */
let reads: BoundedReads;

beforeAll(async () => {
  database = await createTestDatabase();
  reads = new BoundedReads(loadConfig({ DATABASE_URL: database.url, LIST_TIME_BUDGET_MS: '60000' }));
  // The month that comes is there already, and empty.
  await database.query('SELECT make_partitions(month) FROM unnest($1::text[]) AS month', [
    [...MONTHS, '202612'],
  ]);
  await database.query(FILL, [MONTHS, ORDERS_PER_MONTH]);
  await database.query('ANALYZE journal');
});
afterAll(async () => {
  await reads.onApplicationShutdown();
  await database.drop();
});

// Orders with three rows, two of them by `daybook`; executions half as often; some reservations; one row in a thousand of a rare kind; and one of
// the operators was there in the first month only.
const FILL = `
  INSERT INTO journal (occurred_at, actor, request_id, type, entity_type, entity_id, version, data)
  SELECT starts + (n * 190 + version) * interval '1 second', actor, 'r', type, entity_type,
    CASE entity_type WHEN 'order' THEN to_char(starts, 'YYYYMM') || '01-' || lpad(n::text, 5, '0')
      WHEN 'queue' THEN 'orders' ELSE kind.entity_id || '-' || month || '-' || n END,
    CASE WHEN entity_type <> 'queue' THEN version END, '{}'
  FROM unnest($1::text[]) AS month, generate_series(1, $2::int) AS n,
    LATERAL (SELECT to_date(month, 'YYYYMM')::timestamp AT TIME ZONE 'UTC' AS starts) AS month_of,
    LATERAL (VALUES
      (1, 'customer-' || n % 2000, 'order.placed', 'order', '', 1),
      (2, 'daybook', 'order.status_changed', 'order', '', 1),
      (3, 'daybook', 'order.status_changed', 'order', '', 1),
      (1, 'customer-' || n % 2000, 'reservation.created', 'reservation', 'hold', 20),
      (2, 'daybook', 'exchange_order.executed', 'exchange_order', 'X', 2),
      (2, 'daybook', 'reservation.expired', 'reservation', 'hold', 100),
      (1, 'operator-' || n % 2, 'product.changed', 'product', 'TEA', 300),
      (1, CASE month WHEN '202607' THEN 'operator-old' ELSE 'operator-1' END, 'queue.paused', 'queue', '', 2000)
    ) AS kind (version, actor, type, entity_type, entity_id, every)
  WHERE n % every = 0`;

async function nodesOf(filters: AuditFilters, after?: AuditKey): Promise<PlanNode[]> {
  const { text, values } = auditStatement(filters, after, PAGE);
  const explain = `EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) ${text}`;
  const [row] = await reads.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>('explain', explain, values, []);
  return flatten(row?.['QUERY PLAN'][0].Plan as PlanNode).filter((plan) => plan['Actual Loops'] > 0);
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);

/** Nothing is read as a whole, no more than a page is sorted, and few rows are looked at in vain. */
function expectFast(nodes: readonly PlanNode[], mostRows: number): void {
  expect(nodes.map((node) => node['Node Type'])).not.toContain('Seq Scan');
  const sorted = nodes
    .filter((node) => node['Node Type'].endsWith('Sort'))
    .flatMap(({ Plans = [] }) => Plans);
  expect(sum(sorted.map((node) => node['Actual Rows'] * node['Actual Loops']))).toBeLessThanOrEqual(PAGE);
  const scans = nodes.filter((node) => node['Relation Name'] !== undefined);
  const read = scans.map(
    (scan) => (scan['Actual Rows'] + (scan['Rows Removed by Filter'] ?? 0)) * scan['Actual Loops'],
  );
  expect(sum(read)).toBeLessThanOrEqual(mostRows);
}

const at = (text: string) => new Date(`${text}Z`);
const LONG_AGO: AuditKey = ['2026-08-15 12:00:00.5+00', '1'];
const DAY = { from: at('2026-09-10T00:00'), to: at('2026-09-11T00:00') };

describe('a page is read from an index, with few rows looked at in vain', () => {
  it.each<[what: string, filters: AuditFilters, mostRows: number]>([
    ['everything', {}, PAGE],
    ['a time range', DAY, PAGE],
    ['what came before a moment', { to: at('2026-08-01T00:00') }, PAGE],
    ['a customer', { actor: 'customer-77' }, PAGE],
    [
      'a customer in a month',
      { actor: 'customer-77', from: at('2026-08-01T00:00'), to: at('2026-09-01T00:00') },
      PAGE,
    ],
    ['an operator who was there long ago', { actor: 'operator-old' }, PAGE],
    ['nobody', { actor: 'nobody' }, 0],
    ['Daybook itself', { actor: 'daybook' }, 2 * PAGE],
    ['a type that every order has', { type: 'order.placed' }, 4 * PAGE],
    ['executions', { type: 'exchange_order.executed' }, 8 * PAGE],
    ['a rare type', { type: 'product.changed' }, PAGE],
    ['a type of long ago, by time', { type: 'queue.paused', to: at('2026-08-01T00:00') }, PAGE],
    ['a type that there is not', { type: 'kettle.boiled' }, 0],
    ['orders', { entityType: 'order' }, 2 * PAGE],
    ['orders at an exchange', { entityType: 'exchange_order' }, 8 * PAGE],
    ['a rare kind of entity', { entityType: 'product' }, PAGE],
    ['a kind of entity that there is not', { entityType: 'kettle' }, 0],
    ['an order', { entityType: 'order', entityId: '20260701-00042' }, 3],
    ['an order in a time range', { entityType: 'order', entityId: '20260901-04000', ...DAY }, 3],
    ['an order that there is not', { entityType: 'order', entityId: '20260701-99999' }, 0],
    ['an entity without versions', { entityType: 'queue', entityId: 'orders' }, 2 * PAGE],
    ['an id, whatever it is of', { entityId: '20260701-00042' }, 3],
    ['an id that there is not', { entityId: 'kettle' }, 0],
    ['a frequent type by a rare actor', { actor: 'customer-77', type: 'order.placed' }, 2 * PAGE],
    ['a rare type by a frequent actor', { actor: 'daybook', type: 'reservation.expired' }, PAGE],
    ['an actor with a kind of entity', { actor: 'customer-77', entityType: 'order' }, 2 * PAGE],
  ])('%s', async (_, filters, mostRows) => {
    expectFast(await nodesOf(filters), mostRows);
    expectFast(await nodesOf(filters, LONG_AGO), mostRows);
  });

  it('from the newest months, and from none behind a page that is full', async () => {
    const monthsIn = (nodes: readonly PlanNode[]) =>
      nodes.flatMap((node) => node['Relation Name']?.slice(-6) ?? []).sort();
    expect(monthsIn(await nodesOf({}))).toEqual(['202611', '202612']);
    expect(monthsIn(await nodesOf({}, LONG_AGO))).toEqual(['202608']);
    expect(monthsIn(await nodesOf(DAY))).toEqual(['202609']);
  });
});

describe('what is written with every order, or more often', () => {
  it.each<AuditFilters>([
    { type: 'order.placed' },
    { type: 'exchange_order.executed' },
    { entityType: 'order' },
    { entityType: 'exchange_order' },
  ])('stays out of the indexes of rare rows: %j', async (filters) => {
    const used = (await nodesOf(filters)).flatMap((node) => node['Index Name'] ?? []);
    expect(used.filter((name) => !name.includes('occurred_at_position'))).toEqual([]);
    expect(used.filter((name) => name.includes('type'))).toEqual([]);
  });
});
