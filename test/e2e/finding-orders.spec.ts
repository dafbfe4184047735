import fc from 'fast-check';

import { ORDER_PRIORITIES, ORDER_STATUSES, type OrderPriority, type OrderStatus } from '@daybook/orders';

import { startTestApp, type TestApp } from '../support/app.js';
import { insertOrders, type OrderRow } from '../support/order-rows.js';
import { expectProblem } from '../support/problem.js';

const SKUS = ['TEA', 'POT', 'CUP'];
const CUSTOMERS = ['alice', 'bob', 'carol'];
const SORTS = {
  newest: 'id DESC',
  oldest: 'id',
  highest: 'total_cents DESC, id DESC',
  lowest: 'total_cents, id',
};
const HOUR_MS = 3_600_000;
const FIRST = Date.parse('2026-06-28T00:00:00Z');

let daybook: TestApp;
let productIdsOf: number[];
let taken = 0;

/** Few totals and times, so that many are equal; days of the business as they are in the outermost time zones. */
interface AnyOrder {
  readonly hour: number;
  readonly zone: number;
  readonly customerId: string;
  readonly status: OrderStatus;
  readonly priority: OrderPriority;
  readonly totalCents: number;
  readonly products: readonly number[];
}

const anyOrder: fc.Arbitrary<AnyOrder> = fc.record({
  hour: fc.nat(24 * 5),
  zone: fc.constantFrom(-12, 0, 0, 0, 14),
  customerId: fc.constantFrom(...CUSTOMERS),
  status: fc.constantFrom(...ORDER_STATUSES),
  priority: fc.constantFrom(...ORDER_PRIORITIES),
  totalCents: fc.constantFrom(0, 100, 100, 100, 250, 99_999),
  products: fc.array(fc.nat(SKUS.length - 1), { minLength: 1, maxLength: 3 }),
});

function toRow({ hour, zone, products, ...order }: AnyOrder): OrderRow {
  taken += 1;
  const placedAt = new Date(FIRST + hour * HOUR_MS);
  const day = new Date(placedAt.getTime() + zone * HOUR_MS).toISOString().slice(0, 10).replaceAll('-', '');
  const productIds = products.map((index) => productIdsOf[index] as number);
  const row = { ...order, n: taken, day, placedAt, productIds, clientOrderId: null };
  // Some have a name, which each customer has given once.
  const [customerId] = taken % 20 === 0 ? CUSTOMERS.slice((taken / 20) % 3) : [];
  return customerId === undefined
    ? row
    : { ...row, customerId, clientOrderId: `cart-${Math.trunc(taken / 60)}` };
}

const time = fc.nat(24 * 5).map((hour) => new Date(FIRST + hour * HOUR_MS).toISOString());
const anyValues = fc.record({
  status: fc.uniqueArray(fc.constantFrom(...ORDER_STATUSES), { minLength: 1, maxLength: 3 }),
  customerId: fc.constantFrom(...CUSTOMERS, 'nobody'),
  priority: fc.constantFrom(...ORDER_PRIORITIES),
  placed: fc.tuple(time, time).map((times) => times.sort()),
  placedFrom: time,
  placedTo: time,
  total: fc.tuple(fc.constantFrom(0, 100), fc.constantFrom(100, 101, 250)),
  minTotalCents: fc.constantFrom(0, 100, 101),
  maxTotalCents: fc.constantFrom(0, 100, 250),
  sku: fc.constantFrom(...SKUS, 'NONE'),
  clientOrderId: fc.constantFrom('cart-1', 'cart-5', 'none'),
});
type Filters = Partial<typeof anyValues extends fc.Arbitrary<infer Values> ? Values : never>;
const NAMES = [
  ...['status', 'customerId', 'priority', 'sku', 'clientOrderId'],
  ...['placed', 'placedFrom', 'placedTo', 'total', 'minTotalCents', 'maxTotalCents'],
] as const;
/** Few at a time, else hardly an order would fit. */
const anyFilters = fc
  .tuple(anyValues, fc.shuffledSubarray([...NAMES], { maxLength: 3 }))
  .map(([values, names]) => toQuery(Object.fromEntries(names.map((name) => [name, values[name]]))));
const anySort = fc.constantFrom(...(Object.keys(SORTS) as (keyof typeof SORTS)[]));

function toQuery({ status = [], placed, total, ...single }: Filters): URLSearchParams {
  const { placedFrom, placedTo, minTotalCents, maxTotalCents, ...rest } = single;
  const query = new URLSearchParams(rest);
  for (const each of status) query.append('status', each);
  const ranges = {
    ...(placed === undefined ? { placedFrom, placedTo } : { placedFrom: placed[0], placedTo: placed[1] }),
    ...(total === undefined
      ? { minTotalCents, maxTotalCents }
      : { minTotalCents: total[0], maxTotalCents: total[1] }),
  };
  for (const [name, value] of Object.entries(ranges)) if (value !== undefined) query.set(name, String(value));
  return isRange(query, 'placedFrom', 'placedTo') && isRange(query, 'minTotalCents', 'maxTotalCents')
    ? query
    : new URLSearchParams();
}

/** What ends before it begins is refused. */
function isRange(query: URLSearchParams, from: string, to: string): boolean {
  const [first, last] = [query.get(from), query.get(to)];
  return first === null || last === null || first.padStart(30) <= last.padStart(30);
}

/** What one plain query over everything finds, sorted. */
async function everyOrder(query: URLSearchParams, sort: keyof typeof SORTS): Promise<string[]> {
  const value = (name: string) => query.get(name);
  const rows = await daybook.database.query<{ id: string }>(
    `SELECT id::text FROM orders
     WHERE (cardinality($1::text[]) = 0 OR status = ANY ($1)) AND ($2::text IS NULL OR customer_id = $2)
       AND ($3::text IS NULL OR priority = $3) AND ($4::timestamptz IS NULL OR placed_at >= $4)
       AND ($5::timestamptz IS NULL OR placed_at < $5) AND ($6::bigint IS NULL OR total_cents >= $6)
       AND ($7::bigint IS NULL OR total_cents <= $7) AND ($8::text IS NULL OR client_order_id = $8)
       AND ($9::text IS NULL OR id IN (SELECT order_id FROM order_lines JOIN products ON products.id = product_id WHERE sku = $9))
     ORDER BY ${SORTS[sort]}`,
    [
      query.getAll('status'),
      ...['customerId', 'priority', 'placedFrom', 'placedTo', 'minTotalCents', 'maxTotalCents'].map(value),
      value('clientOrderId'),
      value('sku'),
    ],
  );
  return rows.map(({ id }) => publicNumber(id));
}

const publicNumber = (stored: string) => `${stored.slice(0, 8)}-${stored.slice(-5)}`;

/** Follows the cursors to the end; `between` runs after each page. */
async function walk(
  query: URLSearchParams,
  token: string,
  between = async (): Promise<unknown> => undefined,
) {
  const found: string[] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const page = await daybook.api('GET', `/orders?${query.toString()}${cursor && `&cursor=${cursor}`}`, {
      token,
    });
    if (page.status !== 200) throw new Error(page.text);
    found.push(...page.body.data.map(({ id }: { id: string }) => id));
    cursor = page.body.nextCursor;
    if (cursor !== null) await between();
  }
  return found;
}

beforeAll(async () => {
  daybook = await startTestApp();
  for (const sku of SKUS) await daybook.createProduct(sku, 0);
  const products = await daybook.database.query<{ id: number }>('SELECT id FROM products ORDER BY id');
  productIdsOf = products.map(({ id }) => id);
  await insertOrders(daybook.database, fc.sample(anyOrder, { numRuns: 600, seed: 7 }).map(toRow));
});
afterAll(() => daybook.stop());

const pageSizeFor = (orders: number) => fc.integer({ min: Math.max(1, Math.floor(orders / 12)), max: 200 });

describe('finding orders', () => {
  it('gives page by page exactly what one sorted query gives, whatever the filters, the sort and the page size', async () => {
    let shown = 0;
    const property = fc.asyncProperty(anyFilters, anySort, fc.gen(), async (filters, sort, more) => {
      const query = new URLSearchParams(filters);
      const expected = await everyOrder(query, sort);
      query.set('sort', sort);
      query.set('limit', String(more(() => pageSizeFor(expected.length))));
      expect(await walk(query, daybook.tokens.operator)).toEqual(expected);
      shown += expected.length;
    });
    await fc.assert(property, { numRuns: 150 });
    expect(shown).toBeGreaterThan(1_000);
  });

  it('shows a customer what they placed and nothing else, whatever the filters', async () => {
    const property = fc.asyncProperty(anyFilters, anySort, async (filters, sort) => {
      const query = new URLSearchParams(filters);
      const own = new URLSearchParams(query);
      own.set('customerId', 'alice');
      const isOthers = query.has('customerId') && query.get('customerId') !== 'alice';
      const expected = isOthers ? [] : await everyOrder(own, sort);
      query.set('sort', sort);
      query.set('limit', '200');
      expect(await walk(query, daybook.tokens.alice)).toEqual(expected);
    });
    await fc.assert(property, { numRuns: 50 });
  });

  it('misses and repeats none of the orders that were there, while others are placed', async () => {
    const property = fc.asyncProperty(anySort, fc.gen(), async (sort, more) => {
      const query = new URLSearchParams({ customerId: 'bob' });
      const before = await everyOrder(query, sort);
      query.set('sort', sort);
      query.set('limit', String(more(() => pageSizeFor(before.length))));
      let pagesLeft = 10;
      const walked = await walk(query, daybook.tokens.operator, async () => {
        pagesLeft -= 1;
        // Else the walk towards the newest might never end.
        if (pagesLeft < 0) return;
        const orders = more(() => fc.array(anyOrder, { minLength: 1, maxLength: 5 }));
        await insertOrders(daybook.database, orders.map(toRow));
      });
      expect(new Set(walked).size).toBe(walked.length);
      const known = new Set(before);
      expect(walked.filter((id) => known.has(id))).toEqual(before);
    });
    await fc.assert(property, { numRuns: 12 });
  });
});

describe('counting', () => {
  const count = async (query: string) => (await daybook.api('GET', `/orders?limit=1&${query}`)).body;

  it('is not done unasked', async () => {
    expect(Object.keys(await count(''))).toEqual(['data', 'nextCursor']);
  });

  it('says how many there are in all, whatever the page', async () => {
    const query = new URLSearchParams({ status: 'failed', sku: 'TEA' });
    const { length } = await everyOrder(query, 'newest');
    expect(length).toBeGreaterThan(10);
    expect(await count(`${query.toString()}&count=exact`)).toMatchObject({
      total: length,
      totalAccuracy: 'exact',
    });
    const nothing = { data: [], total: 0, totalAccuracy: 'exact' };
    expect(await count('sku=NONE&count=exact')).toMatchObject(nothing);
  });

  it('may be left to the planner', async () => {
    await daybook.database.query('ANALYZE orders');
    const { length } = await everyOrder(new URLSearchParams(), 'newest');
    const { total, totalAccuracy } = await count('count=estimated');
    expect(totalAccuracy).toBe('estimated');
    expect(total).toBeGreaterThan(length * 0.9);
    expect(total).toBeLessThan(length * 1.1);
  });
});

describe('what would take too long', () => {
  let slow: TestApp;

  beforeAll(async () => {
    slow = await startTestApp({ LIST_TIME_BUDGET_MS: '150' });
    await slow.createProduct('TEA', 10);
    await slow.api('POST', '/orders', { body: { lines: [{ sku: 'TEA', quantity: 1 }] } });
    // Stands in for ten million orders to look through.
    await slow.database.query(`
      ALTER TABLE orders RENAME TO all_orders;
      CREATE VIEW orders AS SELECT all_orders.* FROM all_orders WHERE priority = 'normal' OR pg_sleep(60) IS NULL`);
    await slow.database.query(`UPDATE all_orders SET priority = 'high'`);
  });
  afterAll(() => slow.stop());

  it('is given up within its time, with what to add', async () => {
    const problem = expectProblem(await slow.api('GET', '/orders?status=pending'), 422, 'query_too_broad');
    expect(problem).toMatchObject({ timeBudgetMs: 150, narrowBy: ['customerId', 'placedFrom', 'placedTo'] });
    expect(problem.detail).toBe(
      'This would take longer than 150 ms. Add or narrow: customerId, placedFrom, placedTo.',
    );
  });
});
