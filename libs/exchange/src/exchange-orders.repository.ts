import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

import {
  numberColumn,
  prepared,
  RetryTransaction,
  textColumn,
  textsIn,
  violatesUnique,
} from '@daybook/platform';

import {
  EXCHANGE_ORDER_COLUMNS,
  type ExchangeOrder,
  type ExchangeOrderRow,
  storedId,
  toExchangeOrder,
} from './exchange-order.entity.js';

/** A customer's own name for an order. */
export interface ClientOrderKey {
  readonly customerId: string;
  readonly clientOrderId: string;
}

const INSERT = `
  WITH placed AS (
    INSERT INTO exchange_orders (id, customer_id, client_order_id, venue, instrument, side, type, quantity,
      limit_price_cents, status, placed_at, updated_at, version)
    SELECT id, customer_id, client_order_id, venue, instrument, side, type, quantity, limit_price_cents, 'pending', $10, $10, 1
    FROM unnest($1::bigint[], ${textsIn('$2')}, ${textsIn('$3')}, ${textsIn('$4')}, ${textsIn('$5')}, ${textsIn('$6')},
      ${textsIn('$7')}, $8::bigint[], $9::bigint[])
      AS placed (id, customer_id, client_order_id, venue, instrument, side, type, quantity, limit_price_cents))
  INSERT INTO exchange_client_order_ids (client_order_id, customer_id, order_id)
  SELECT named.client_order_id, named.customer_id, named.id
  FROM unnest($1::bigint[], ${textsIn('$2')}, ${textsIn('$3')}) AS named (id, customer_id, client_order_id)
  WHERE named.client_order_id IS NOT NULL`;

const FIND_NAMED = `
  SELECT customer_id AS "customerId", client_order_id AS "clientOrderId", order_id::text AS stored
  FROM exchange_client_order_ids
  JOIN unnest(${textsIn('$1')}, ${textsIn('$2')}) AS wanted (customer_id, client_order_id) USING (client_order_id, customer_id)`;

const LOCK = `
  SELECT ${EXCHANGE_ORDER_COLUMNS} FROM exchange_orders WHERE id = ANY($1::bigint[]) ORDER BY id FOR NO KEY UPDATE`;

const IS_WISH = `change.status = 'cancel_pending' AND exchange_orders.status <> 'cancel_pending'`;

// Guarded by the version that was read under lock. The ids are named a second time because from a join alone the planner
// cannot tell which months it can leave out. A wish to cancel is the first time that the venue is asked about it.
const UPDATE = `
  UPDATE exchange_orders SET status = change.status, reason = change.reason, cum_quantity = change.cum_quantity,
    traded_cents = change.traded_cents, updated_at = change.updated_at, version = change.version,
    asked_at = CASE WHEN ${IS_WISH} THEN change.updated_at ELSE asked_at END,
    asked = CASE WHEN ${IS_WISH} THEN 0 ELSE asked END
  FROM unnest($1::bigint[], ${textsIn('$2')}, ${textsIn('$3')}, $4::bigint[], $5::numeric[], $6::timestamptz[], $7::int[],
    $8::int[]) AS change (id, status, reason, cum_quantity, traded_cents, updated_at, version, previous)
  WHERE exchange_orders.id = change.id AND exchange_orders.id = ANY($1::bigint[])
    AND exchange_orders.version = change.previous
  RETURNING exchange_orders.id`;

const FIND_ASKED = `SELECT id::text AS stored FROM exchange_orders WHERE id = ANY($1::bigint[]) AND asked > 0`;

/** A number that was issued is stored already; another transaction, with other numbers, may succeed. */
export class ExchangeOrderNumberTaken extends RetryTransaction {
  constructor(cause: unknown) {
    super('The number of an exchange order was taken', cause);
  }
}

/** The SQL of exchange orders: set-based writes and locks. */
@Injectable()
export class ExchangeOrdersRepository {
  /**
   * Writes new orders, all of one moment, with their client order ids.
   * @throws {RetryTransaction} when a client order id was taken by another transaction meanwhile
   * @throws {ExchangeOrderNumberTaken} when one of the numbers is stored already
   */
  async insert(orders: readonly ExchangeOrder[], manager: EntityManager): Promise<void> {
    const [first] = orders;
    if (first === undefined) return;
    try {
      await prepared(manager, 'exchange-orders/insert', INSERT, [
        numberColumn(orders.map(({ id }) => storedId(id))),
        textColumn(orders.map(({ customerId }) => customerId)),
        textColumn(orders.map(({ clientOrderId }) => clientOrderId)),
        textColumn(orders.map(({ venue }) => venue)),
        textColumn(orders.map(({ instrument }) => instrument)),
        textColumn(orders.map(({ side }) => side)),
        textColumn(orders.map(({ type }) => type)),
        numberColumn(orders.map(({ quantity }) => quantity)),
        numberColumn(orders.map(({ limitPriceCents }) => limitPriceCents)),
        first.placedAt,
      ]);
    } catch (error) {
      if (violatesUnique(error, 'exchange_client_order_ids_pkey'))
        throw new RetryTransaction('Another transaction took the client order id first', error);
      if (violatesUnique(error, 'exchange_orders_pkey')) throw new ExchangeOrderNumberTaken(error);
      throw error;
    }
  }

  /** The stored ids of the orders that customers have already placed under these names. */
  async findNamed(
    keys: readonly ClientOrderKey[],
    manager: EntityManager,
  ): Promise<(ClientOrderKey & { readonly stored: string })[]> {
    if (keys.length === 0) return [];
    return prepared(manager, 'exchange-orders/find-named', FIND_NAMED, [
      textColumn(keys.map(({ customerId }) => customerId)),
      textColumn(keys.map(({ clientOrderId }) => clientOrderId)),
    ]);
  }

  /** Locks orders in the order of their numbers. @param storedIds those that do not exist are left out */
  async lock(storedIds: readonly string[], manager: EntityManager): Promise<Map<string, ExchangeOrder>> {
    const rows = await prepared<ExchangeOrderRow>(manager, 'exchange-orders/lock', LOCK, [
      numberColumn(storedIds),
    ]);
    return new Map(rows.map(toExchangeOrder).map((order) => [order.id, order]));
  }

  /** Which of these orders the venue was asked about in the background; to be read behind their locks. */
  async findAsked(storedIds: readonly string[], manager: EntityManager): Promise<Set<string>> {
    const rows = await prepared<{ stored: string }>(manager, 'exchange-orders/find-asked', FIND_ASKED, [
      numberColumn(storedIds),
    ]);
    return new Set(rows.map(({ stored }) => stored));
  }

  /**
   * Writes locked orders as they are now.
   * @throws {RetryTransaction} when one of them is no longer at the version it had when it was locked
   */
  async update(
    changes: readonly { readonly order: ExchangeOrder; readonly previousVersion: number }[],
    manager: EntityManager,
  ): Promise<void> {
    if (changes.length === 0) return;
    const orders = changes.map(({ order }) => order);
    const rows = await prepared(manager, 'exchange-orders/update', UPDATE, [
      numberColumn(orders.map(({ id }) => storedId(id))),
      textColumn(orders.map(({ status }) => status)),
      textColumn(orders.map(({ reason }) => reason)),
      numberColumn(orders.map(({ cumQuantity }) => cumQuantity)),
      numberColumn(orders.map(({ tradedCents }) => String(tradedCents))),
      orders.map(({ updatedAt }) => updatedAt),
      numberColumn(orders.map(({ version }) => version)),
      numberColumn(changes.map(({ previousVersion }) => previousVersion)),
    ]);
    if (rows.length !== changes.length)
      throw new RetryTransaction('An exchange order changed although it was locked', undefined);
  }
}
