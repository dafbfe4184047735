import {
  type BusinessNumber,
  fromStoredNumber,
  type NumberSeries,
  toStoredNumber,
} from '@daybook/id-generator';

import type { ExchangeOrderStatus } from './exchange-order-status.js';

/** `XYYYYMMDD-nnnnn`. To the venue it is the order's ClOrdID. */
export type ExchangeOrderId = BusinessNumber;

export const EXCHANGE_ORDER_SERIES: NumberSeries = {
  name: 'exchange_order',
  prefix: 'X',
  table: 'exchange_orders',
  column: 'id',
};

export const SIDES = ['buy', 'sell'] as const;
export type Side = (typeof SIDES)[number];

export const EXCHANGE_ORDER_TYPES = ['market', 'limit'] as const;
export type ExchangeOrderType = (typeof EXCHANGE_ORDER_TYPES)[number];

/** Of an order, and of what is reported of it: the product of the two is what `traded_cents` can hold. */
export const MOST_QUANTITY = 1_000_000_000;
export const MOST_PRICE_CENTS = 9_999_999_999;

/** An order for an instrument, placed at a venue on behalf of a customer. */
export interface ExchangeOrder {
  readonly id: ExchangeOrderId;
  readonly customerId: string;
  /** The customer's own name for it, unique per customer. */
  readonly clientOrderId: string | null;
  readonly venue: string;
  /** ISIN. */
  readonly instrument: string;
  readonly side: Side;
  readonly type: ExchangeOrderType;
  readonly quantity: number;
  /** Null for a market order. */
  readonly limitPriceCents: number | null;
  readonly status: ExchangeOrderStatus;
  /** Why it was rejected, expired or failed, or why it was not cancelled. */
  readonly reason: string | null;
  /** Filled so far (FIX CumQty). */
  readonly cumQuantity: number;
  /** Quantity times price, over all fills: exact, and larger than what a number holds. */
  readonly tradedCents: bigint;
  readonly placedAt: Date;
  readonly updatedAt: Date;
  /** 1 when placed, one more with every change. */
  readonly version: number;
}

/** What is still open (FIX LeavesQty): nothing, once the order has ended. */
export function leavesQuantity({ status, quantity, cumQuantity }: ExchangeOrder): number {
  return ENDED_UNFILLED.includes(status) ? 0 : quantity - cumQuantity;
}

const ENDED_UNFILLED: readonly ExchangeOrderStatus[] = ['cancelled', 'rejected', 'expired', 'failed'];

/** The average price of the fills (FIX AvgPx) in whole cents, half a cent rounded up; null before the first. */
export function avgPriceCents({ cumQuantity, tradedCents }: ExchangeOrder): number | null {
  if (cumQuantity === 0) return null;
  const quantity = BigInt(cumQuantity);
  return Number((2n * tradedCents + quantity) / (2n * quantity));
}

/** An id is valid by construction, so its stored form exists. */
export function storedId(id: ExchangeOrderId): string {
  return toStoredNumber(id, EXCHANGE_ORDER_SERIES.prefix) as string;
}

/** The stored form of what a client, or a venue, takes for an id; undefined if it is none. */
export function toStoredId(text: string): string | undefined {
  return toStoredNumber(text, EXCHANGE_ORDER_SERIES.prefix);
}

/** What statements select of an exchange order. */
export const EXCHANGE_ORDER_COLUMNS = `id::text AS stored, customer_id AS "customerId", client_order_id AS "clientOrderId",
  venue, instrument, side, type, quantity::float8, limit_price_cents::float8 AS "limitPriceCents", status, reason,
  cum_quantity::float8 AS "cumQuantity", traded_cents::text AS traded, placed_at AS "placedAt", updated_at AS "updatedAt",
  version`;

/** A row with {@link EXCHANGE_ORDER_COLUMNS}. */
export type ExchangeOrderRow = Omit<ExchangeOrder, 'id' | 'tradedCents'> & {
  readonly stored: string;
  readonly traded: string;
};

export function toExchangeOrder({ stored, traded, ...row }: ExchangeOrderRow): ExchangeOrder {
  const id = fromStoredNumber(stored, EXCHANGE_ORDER_SERIES.prefix);
  return { ...row, id, tradedCents: BigInt(traded) };
}
