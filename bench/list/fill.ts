import type { Client } from 'pg';
import type { HttpContender } from '../placement/http-contenders.ts';
import { CATALOGUE } from '../support/catalogue.ts';
import type { BenchDatabase } from '../support/database.ts';
import { sum } from '../support/statistics.ts';
import { showProgress } from '../support/terminal.ts';
import { shareOut } from './crew.ts';
import { cutIntoPortions, spreadOverDays, type Portion } from './calendar.ts';
import {
  COUNT_ORDERS,
  FILL_PORTION,
  NOTE_WHAT_IS_TAKEN,
  PRICE_PRODUCTS,
  TAKE_FROM_STOCK,
} from './fill-sql.ts';
import { withoutIndexes } from './indexes.ts';

const BAR_WIDTH = 30;
const STEPS_AT_MOST = 5;
const FILLED_TABLES = ['journal', 'orders', 'order_lines', 'order_allocations', 'client_order_ids'];

export interface FillOptions {
  readonly orders: number;
  /** Over so many days, two years unless told otherwise. */
  readonly days?: number;
  /** The journal tells every step of every order, as it must in daily business; otherwise how each was placed. */
  readonly isHistoryFull?: boolean;
}

/** How many customers share the orders. */
export function customersFor(orders: number): number {
  return Math.max(5_000, Math.round(orders / 20));
}

/** How many orders wait to be processed. Enough for a page, however few orders there are. */
export function pendingAmong(orders: number): number {
  return Math.max(100, Math.round(orders * 0.0005));
}

/**
 * Fills a database that has its tables and its catalogue with orders of past days, up to yesterday. Today's numbers and
 * stock are left to whoever places orders next. The same number of orders on the same day gives the same orders.
 */
export async function fillOrders(database: BenchDatabase, options: FillOptions): Promise<void> {
  const { client } = database;
  const { now, position } = await lookAround(database);
  const portions = cutIntoPortions(spreadOverDays(options.orders, now, options.days));
  await client.query(PRICE_PRODUCTS);
  await client.query('SELECT make_partitions(month) FROM unnest($1::text[]) AS month', [
    [...new Set(portions.map(({ month }) => month))],
  ]);
  await withoutIndexes(database, FILLED_TABLES, () =>
    fillPortions(database.url, portions, (portion) => portionValues(portion, options, now, position)),
  );
  await client.query(`SELECT setval(pg_get_serial_sequence('journal', 'position'), $1::bigint)`, [
    position + options.orders * STEPS_AT_MOST,
  ]);
  await client.query(COUNT_ORDERS);
  showProgress('vacuuming …');
  const tables = [...FILLED_TABLES, 'products', 'stock_levels', 'stock_movements', 'order_counts'];
  await shareOut(database.url, tables, (worker, table) => worker.query(`VACUUM (ANALYZE) ${table}`));
}

function fillPortions(
  url: string,
  portions: readonly Portion[],
  valuesOf: (portion: Portion) => unknown[],
): Promise<void> {
  const progress = new FillProgress(sum(portions.map(({ orders }) => orders)));
  const fill = async (worker: Client, portion: Portion): Promise<void> => {
    await worker.query(FILL_PORTION, valuesOf(portion));
    progress.advance(portion.orders);
  };
  return shareOut(url, portions, fill, { begin: NOTE_WHAT_IS_TAKEN, end: TAKE_FROM_STOCK });
}

/** Lets Daybook give the pending orders their jobs, as it does for a database that is older than its queues. */
export async function adoptPendingOrders({ database, start }: HttpContender): Promise<void> {
  await database.client.query(`UPDATE order_queues SET adopted_at = NULL WHERE name = 'orders'`);
  await (await start()).stop();
}

async function lookAround({ client }: BenchDatabase): Promise<{ now: Date; position: number }> {
  const { rows } = await client.query<{ now: Date; position: number }>(
    `SELECT date_trunc('milliseconds', business_now()) AS now,
       (SELECT coalesce(max(position), 0)::float8 FROM journal) AS position`,
  );
  if (rows[0] === undefined) throw new Error('the database does not tell the time');
  return rows[0];
}

function portionValues({ days }: Portion, options: FillOptions, now: Date, position: number): unknown[] {
  const { orders, isHistoryFull = false } = options;
  return [
    days.map((day) => day.number),
    days.map((day) => day.orders),
    days.map((day) => day.before),
    days.map((day) => day.age),
    orders,
    pendingAmong(orders),
    customersFor(orders),
    CATALOGUE.products,
    now,
    position,
    isHistoryFull,
  ];
}

class FillProgress {
  readonly #orders: number;
  readonly #startedAt = performance.now();
  #made = 0;

  constructor(orders: number) {
    this.#orders = orders;
  }

  advance(orders: number): void {
    this.#made += orders;
    const share = this.#made / this.#orders;
    const secondsLeft = ((performance.now() - this.#startedAt) / 1000) * (1 / share - 1);
    const bar = '#'.repeat(Math.round(share * BAR_WIDTH)).padEnd(BAR_WIDTH, '·');
    showProgress(
      `${bar} ${Math.floor(share * 100)} % of ${this.#orders.toLocaleString('en-US')} orders, ` +
        `about ${Math.ceil(secondsLeft)} s left`,
    );
  }
}
