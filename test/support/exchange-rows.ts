import type { ExecutionReport } from '@daybook/exchange';

import type { TestDatabase } from './database.js';

const DAY = '20261121';

/** The ClOrdID of a test's order. */
export function clOrdId(n: number): string {
  return `X${DAY}-${String(n).padStart(5, '0')}`;
}

/** Orders as they stand once the venue has accepted them, numbered from `first` on. */
export async function insertExchangeOrders(
  database: TestDatabase,
  count: number,
  { first = 1, quantity = 100, status = 'created', venue = 'XSIM' } = {},
): Promise<void> {
  await database.query(`SELECT make_partitions('202611')`);
  await database.query(
    `INSERT INTO exchange_orders (id, customer_id, venue, instrument, side, type, quantity, status, placed_at, updated_at, version)
     SELECT ${DAY}0000000000 + number, 'alice', $1, 'DE0007164600', 'buy', 'market', $2, $3, business_now(), business_now(), 2
     FROM generate_series($4::int, $4::int + $5::int - 1) AS number`,
    [venue, quantity, status, first, count],
  );
}

/** A trade of one of these orders. */
export function tradeOf(
  n: number,
  sequence: number,
  quantity = 1,
  other: Partial<ExecutionReport> = {},
): ExecutionReport {
  return {
    sequence,
    execId: `E${sequence}`,
    orderRef: clOrdId(n),
    type: 'trade',
    quantity,
    priceCents: 1_000,
    executedAt: '2026-11-21T12:00:00.000Z',
    ...other,
  };
}

export interface ExchangeOrderState {
  readonly id: string;
  readonly status: string;
  readonly filled: number;
  readonly traded: string;
  readonly version: number;
  readonly reason: string | null;
  /** How many reports are recorded of it. */
  readonly executions: number;
  /** The versions of which the journal tells. */
  readonly journaled: readonly number[];
}

/** What the database has of the orders, by their numbers. */
export async function readExchangeOrders(database: TestDatabase): Promise<ExchangeOrderState[]> {
  const rows = await database.query<ExchangeOrderState & { readonly stored: string }>(`
    SELECT id::text AS stored, status, cum_quantity::float8 AS filled, traded_cents::text AS traded, version, reason,
      (SELECT count(*)::int FROM executions WHERE order_id = id) AS executions,
      coalesce((SELECT array_agg(journal.version ORDER BY journal.version) FROM journal
        WHERE entity_type = 'exchange_order' AND type = 'exchange_order.executed'
          AND entity_id = 'X' || left(id::text, 8) || '-' || right(id::text, 5)), '{}') AS journaled
    FROM exchange_orders ORDER BY id`);
  return rows.map(({ stored, ...row }) => ({ ...row, id: `X${stored.slice(0, 8)}-${stored.slice(-5)}` }));
}
