import type { BenchDatabase } from '../support/database.ts';
import { DAYS_FILLED } from './calendar.ts';

/** What requests for one database ask for. Where it can, each kind means as many orders in every database. */
export interface Values {
  readonly customers: Readonly<Record<'largest' | 'middling' | 'small', readonly string[]>>;
  readonly skus: Readonly<Record<'popular' | 'rare', readonly string[]>>;
  readonly times: Readonly<Record<'window' | 'day' | 'month' | 'openStart' | 'lastWeek', readonly Span[]>>;
  readonly totals: Readonly<Record<'narrow' | 'top', readonly Range[]>>;
  readonly names: readonly { readonly customerId: string; readonly clientOrderId: string }[];
}

interface Span {
  readonly from?: string;
  readonly to?: string;
}

interface Range {
  readonly min: number;
  readonly max?: number;
}

const VALUES_OF_A_KIND = 20;
const FEW_ORDERS = 200;
const DAY_MS = 86_400_000;

// As many of them as are within a half of the target, the nearest first.
const NEAR = `n BETWEEN $1 * 0.5 AND $1 * 1.5 ORDER BY abs(n - $1), name LIMIT ${VALUES_OF_A_KIND}`;

/** Looks up in a filled database whom and what to ask for. */
export async function chooseValues({ client }: BenchDatabase): Promise<Values> {
  const names = async (text: string, values: unknown[] = []): Promise<string[]> =>
    (await client.query<{ name: string }>(text, values)).rows.map(({ name }) => name);
  const { rows } = await client.query<{ orders: number; today: Date }>(
    `SELECT (SELECT count(*)::int FROM orders) AS orders,
       date_trunc('day', business_now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS today`,
  );
  const { orders, today } = rows[0] ?? { orders: 0, today: new Date(0) };
  await client.query(`
    CREATE TEMP TABLE customers_asked AS SELECT customer_id AS name, count(*) AS n FROM orders GROUP BY 1;
    CREATE TEMP TABLE products_asked AS
      SELECT sku AS name, n FROM products
      JOIN (SELECT product_id, count(*) AS n FROM order_lines GROUP BY 1) AS lines ON product_id = products.id`);
  const values: Values = {
    customers: {
      largest: await names('SELECT name FROM customers_asked ORDER BY n DESC, name LIMIT 3'),
      middling: await names(`SELECT name FROM customers_asked WHERE ${NEAR}`, [Math.min(1_000, orders / 50)]),
      small: await names(`SELECT name FROM customers_asked WHERE ${NEAR}`, [5]),
    },
    skus: {
      popular: await names('SELECT name FROM products_asked ORDER BY n DESC, name LIMIT 3'),
      rare: await names(`SELECT name FROM products_asked WHERE ${NEAR}`, [Math.min(500, orders / 100)]),
    },
    times: chooseTimes(today, orders),
    totals: { narrow: await narrowTotals({ client }, orders), top: await topTotals({ client }) },
    names: await someNames({ client }, orders),
  };
  await client.query('DROP TABLE customers_asked, products_asked');
  return values;
}

function chooseTimes(today: Date, orders: number): Values['times'] {
  const at = (daysAgo: number): string => new Date(today.getTime() - daysAgo * DAY_MS).toISOString();
  const some = Array.from({ length: VALUES_OF_A_KIND }, (_, index) => 2 + index * 35);
  // Around noon of an average day orders come at a third of the average rate or more.
  const windowDays = (FEW_ORDERS / orders) * DAYS_FILLED;
  return {
    window: some.map((day) => ({ from: at(day + windowDays - 0.6), to: at(day - 0.6) })),
    day: some.map((day) => ({ from: at(day), to: at(day - 1) })),
    month: some.map((day) => ({ from: at(day + 29), to: at(day - 1) })),
    openStart: some.map((day) => ({ to: at(day) })),
    lastWeek: [{ from: at(7) }],
  };
}

/** Ranges that begin at different heights and end a few orders further up. */
async function narrowTotals(
  { client }: Pick<BenchDatabase, 'client'>,
  orders: number,
): Promise<Values['totals']['narrow']> {
  const ranges: Range[] = [];
  for (let step = 1; step <= 10; step++) {
    const { rows } = await client.query<{ min: number; max: number }>(
      `SELECT min(total_cents)::int AS min, max(total_cents)::int AS max FROM (
         SELECT total_cents FROM orders WHERE total_cents > $1 ORDER BY total_cents LIMIT $2) AS few`,
      [step * 1_700, Math.min(FEW_ORDERS, orders / 10)],
    );
    if (rows[0] !== undefined) ranges.push(rows[0]);
  }
  return ranges;
}

async function topTotals({ client }: Pick<BenchDatabase, 'client'>): Promise<Values['totals']['top']> {
  const { rows } = await client.query<{ cents: number }>(
    `SELECT percentile_disc(0.99) WITHIN GROUP (ORDER BY total_cents)::int AS cents FROM orders`,
  );
  // Nobody knows the percentile to the cent.
  return Array.from({ length: 5 }, (_, index) => ({ min: (rows[0]?.cents ?? 0) + index * 100 }));
}

async function someNames(
  { client }: Pick<BenchDatabase, 'client'>,
  orders: number,
): Promise<Values['names']> {
  const { rows } = await client.query<Values['names'][number]>(
    `SELECT customer_id AS "customerId", client_order_id AS "clientOrderId" FROM client_order_ids
     WHERE client_order_id = ANY (ARRAY(
       SELECT 'PO-' || (n * 7919 * $1::bigint / 1000000 + n) % $1 FROM generate_series(1, 300) AS n))
     ORDER BY client_order_id LIMIT 50`,
    [orders],
  );
  return rows;
}
