import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

import { fromStoredNumber, toStoredNumber } from '@daybook/id-generator';
import type { Allocation } from '@daybook/inventory';
import {
  numberColumn,
  prepared,
  read,
  RetryTransaction,
  textColumn,
  textsIn,
  together,
  violatesUnique,
} from '@daybook/platform';

import { ORDER_COLUMNS, type OrderRow, toOrder } from './order-row.js';
import type { Order, OrderId, OrderLine } from './order.entity.js';

/** A customer's own name for an order. */
export interface ClientOrderKey {
  readonly customerId: string;
  readonly clientOrderId: string;
}

const INSERT_ORDERS = `
  WITH placed AS (
    INSERT INTO orders (id, customer_id, client_order_id, priority, currency, total_cents, processing_time_ms,
      reservation_id, status, placed_at, updated_at, version)
    SELECT id, customer_id, client_order_id, priority, currency, total_cents, processing_time_ms,
      reservation_id::uuid, 'pending', $8, $8, 1
    FROM unnest($1::bigint[], ${textsIn('$2')}, ${textsIn('$3')}, ${textsIn('$4')}, ${textsIn('$5')}, $6::bigint[],
      $7::int[], ${textsIn('$19')}) AS placed (id, customer_id, client_order_id, priority, currency, total_cents,
      processing_time_ms, reservation_id)),
  lines AS (
    INSERT INTO order_lines (order_id, line_no, product_id, name, quantity, unit_price_cents)
    SELECT * FROM unnest($9::bigint[], $10::smallint[], $11::int[], ${textsIn('$12')}, $13::int[], $14::bigint[])),
  named AS (
    INSERT INTO client_order_ids (customer_id, client_order_id, order_id)
    SELECT named.customer_id, named.client_order_id, named.id
    FROM unnest($1::bigint[], ${textsIn('$2')}, ${textsIn('$3')}) AS named (id, customer_id, client_order_id)
    WHERE named.client_order_id IS NOT NULL)
  INSERT INTO order_allocations (order_id, line_no, warehouse_id, quantity)
  SELECT * FROM unnest($15::bigint[], $16::smallint[], $17::int[], $18::int[])`;

const FIND_CLIENT_ORDERS = `
  SELECT customer_id AS "customerId", client_order_id AS "clientOrderId", order_id::text AS stored
  FROM client_order_ids
  JOIN unnest(${textsIn('$1')}, ${textsIn('$2')}) AS wanted (customer_id, client_order_id) USING (customer_id, client_order_id)`;

const LOCK_ORDERS = `
  SELECT ${ORDER_COLUMNS} FROM orders WHERE id = ANY($1::bigint[]) ORDER BY id FOR NO KEY UPDATE`;
const LOCK_FREE_ORDERS = `${LOCK_ORDERS} SKIP LOCKED`;

const READ_LINES = `
  SELECT line.order_id::text, line.line_no, line.product_id AS "productId", product.sku, line.name, line.quantity,
    line.unit_price_cents::float8 AS "unitPriceCents"
  FROM order_lines line JOIN products product ON product.id = line.product_id
  WHERE line.order_id = ANY($1::bigint[]) ORDER BY line.order_id, line.line_no`;

const READ_ALLOCATIONS = `
  SELECT allocation.order_id::text, allocation.line_no, allocation.warehouse_id AS "warehouseId",
    warehouse.code AS warehouse, allocation.quantity
  FROM order_allocations allocation JOIN warehouses warehouse ON warehouse.id = allocation.warehouse_id
  WHERE allocation.order_id = ANY($1::bigint[])
  ORDER BY allocation.order_id, allocation.line_no, warehouse.priority, warehouse.id`;

// Guarded by the version that was read under lock: a row that is not met means the lock did not hold. The ids are named
// a second time because from a join alone the planner cannot tell which months it can leave out.
const UPDATE_STATUSES = `
  UPDATE orders SET status = change.status, version = change.version, updated_at = $5
  FROM unnest($1::bigint[], ${textsIn('$2')}, $3::int[], $4::int[]) AS change (id, status, version, previous)
  WHERE orders.id = change.id AND orders.version = change.previous AND orders.id = ANY($1::bigint[])
  RETURNING 1`;

const REPLACE_ALLOCATIONS = `
  INSERT INTO order_allocations (order_id, line_no, warehouse_id, quantity)
  SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::int[], $4::int[])`;

interface LineKey {
  readonly order_id: string;
  readonly line_no: number;
}

/** An order number that was issued is stored already; another transaction, with other numbers, may succeed. */
export class OrderNumberTaken extends RetryTransaction {
  constructor(cause: unknown) {
    super('An order number was taken', cause);
  }
}

// One statement writes to all of these, and any of them may be the first to notice.
const NUMBER_KEYS = ['orders_pkey', 'order_lines_pkey', 'order_allocations_pkey'];

/** The SQL of orders beyond a simple find: set-based writes, locks, and lines for many orders at once. */
@Injectable()
export class OrdersRepository {
  /**
   * Writes new orders with their lines, allocations and client order ids.
   * @throws {RetryTransaction} when a client order id was taken by another transaction meanwhile
   * @throws {OrderNumberTaken} when one of the numbers is stored already
   */
  async insert(orders: readonly Order[], manager: EntityManager): Promise<void> {
    const [first] = orders;
    if (first === undefined) return;
    try {
      await prepared(manager, 'orders/insert', INSERT_ORDERS, [
        numberColumn(orders.map(({ id }) => stored(id))),
        textColumn(orders.map(({ customerId }) => customerId)),
        textColumn(orders.map(({ clientOrderId }) => clientOrderId)),
        textColumn(orders.map(({ priority }) => priority)),
        textColumn(orders.map(({ currency }) => currency)),
        numberColumn(orders.map(({ totalCents }) => totalCents)),
        numberColumn(orders.map(({ processingTimeMs }) => processingTimeMs)),
        first.placedAt,
        ...lineColumns(orders),
        ...allocationColumns(orders),
        textColumn(orders.map(({ reservationId }) => reservationId)),
      ]);
    } catch (error) {
      if (violatesUnique(error, 'client_order_ids_pkey')) {
        throw new RetryTransaction('Another transaction took the client order id first', error);
      }
      if (NUMBER_KEYS.some((key) => violatesUnique(error, key))) throw new OrderNumberTaken(error);
      throw error;
    }
  }

  /** The orders that customers have already placed under these names, by `customerId` and `clientOrderId`. */
  async findClientOrders(
    keys: readonly ClientOrderKey[],
    manager: EntityManager,
  ): Promise<(ClientOrderKey & { readonly orderId: OrderId })[]> {
    if (keys.length === 0) return [];
    const rows = await prepared<ClientOrderKey & { stored: string }>(
      manager,
      'orders/find-client-orders',
      FIND_CLIENT_ORDERS,
      [
        textColumn(keys.map(({ customerId }) => customerId)),
        textColumn(keys.map(({ clientOrderId }) => clientOrderId)),
      ],
    );
    return rows.map((row) => ({ ...row, orderId: fromStoredNumber(row.stored) }));
  }

  /**
   * Locks orders in the order of their numbers, whatever the order of the ids. Their lines are not read.
   * @param options `passOverLocked`: those that another transaction has locked are left out, instead of waiting for it
   */
  async lock(
    ids: readonly OrderId[],
    manager: EntityManager,
    { passOverLocked = false } = {},
  ): Promise<Map<string, Order>> {
    const [name, text] = passOverLocked
      ? ['orders/lock-free', LOCK_FREE_ORDERS]
      : ['orders/lock', LOCK_ORDERS];
    const rows = await prepared<OrderRow>(manager, name, text, [numberColumn(ids.map(stored))]);
    return new Map(rows.map(toOrder).map((order) => [order.id, order]));
  }

  /** Gives each order its lines. */
  async loadLines(orders: readonly Order[], manager: EntityManager): Promise<void> {
    const lines = await this.readLines(
      orders.map(({ id }) => id),
      manager,
    );
    for (const order of orders) order.lines = lines.get(order.id) ?? [];
  }

  /** The lines of orders by their ids: two statements, however many orders. */
  async readLines(
    ids: readonly OrderId[],
    manager: EntityManager,
  ): Promise<ReadonlyMap<string, readonly OrderLine[]>> {
    if (ids.length === 0) return new Map();
    const numbers = [numberColumn(ids.map(stored))];
    const lines = read<LineKey & Omit<OrderLine, 'allocations'>>(
      manager,
      'orders/read-lines',
      READ_LINES,
      numbers,
    );
    const allocations = read<LineKey & Allocation>(
      manager,
      'orders/read-allocations',
      READ_ALLOCATIONS,
      numbers,
    );
    await together(lines, allocations);
    const allocationsByLine = Map.groupBy(await allocations, lineKey);
    const linesByOrder = Map.groupBy(await lines, ({ order_id }) => order_id);
    return new Map(
      [...linesByOrder].map(([order, rows]) => [
        fromStoredNumber(order),
        rows.map((row) => toLine(row, allocationsByLine)),
      ]),
    );
  }

  /**
   * Moves locked orders to new states.
   * @throws {RetryTransaction} when one of them is no longer at the version it had when it was locked
   */
  async updateStatuses(
    changes: readonly { readonly order: Order; readonly previousVersion: number }[],
    updatedAt: Date,
    manager: EntityManager,
  ): Promise<void> {
    const rows = await prepared(manager, 'orders/update-statuses', UPDATE_STATUSES, [
      numberColumn(changes.map(({ order }) => stored(order.id))),
      textColumn(changes.map(({ order }) => order.status)),
      numberColumn(changes.map(({ order }) => order.version)),
      numberColumn(changes.map(({ previousVersion }) => previousVersion)),
      updatedAt,
    ]);
    if (rows.length !== changes.length) {
      throw new RetryTransaction('An order changed although it was locked', undefined);
    }
  }

  /** For orders whose stock was given back and is now allocated anew. */
  async replaceAllocations(orders: readonly Order[], manager: EntityManager): Promise<void> {
    if (orders.length === 0) return;
    const ids = orders.map(({ id }) => stored(id));
    await manager.query('DELETE FROM order_allocations WHERE order_id = ANY($1::bigint[])', [ids]);
    await prepared(manager, 'orders/replace-allocations', REPLACE_ALLOCATIONS, allocationColumns(orders));
  }
}

/** An OrderId is valid by construction, so its stored form exists. */
function stored(id: OrderId): string {
  return toStoredNumber(id) as string;
}

function lineKey({ order_id, line_no }: LineKey): string {
  return `${order_id}/${line_no}`;
}

function toLine(
  row: LineKey & Omit<OrderLine, 'allocations'>,
  allocationsByLine: ReadonlyMap<string, readonly (LineKey & Allocation)[]>,
): OrderLine {
  const { productId, sku, name, quantity, unitPriceCents } = row;
  const allocations = (allocationsByLine.get(lineKey(row)) ?? []).map((allocation) => ({
    warehouseId: allocation.warehouseId,
    warehouse: allocation.warehouse,
    quantity: allocation.quantity,
  }));
  return { productId, sku, name, quantity, unitPriceCents, allocations };
}

function lineColumns(orders: readonly Order[]): string[] {
  const rows = orders.flatMap(({ id, lines }) =>
    lines.map((line, index) => ({ id, lineNo: index + 1, line })),
  );
  return [
    numberColumn(rows.map(({ id }) => stored(id))),
    numberColumn(rows.map(({ lineNo }) => lineNo)),
    numberColumn(rows.map(({ line }) => line.productId)),
    textColumn(rows.map(({ line }) => line.name)),
    numberColumn(rows.map(({ line }) => line.quantity)),
    numberColumn(rows.map(({ line }) => line.unitPriceCents)),
  ];
}

function allocationColumns(orders: readonly Order[]): string[] {
  const rows = orders.flatMap(({ id, lines }) =>
    lines.flatMap(({ allocations }, index) =>
      allocations.map((allocation) => ({ id, lineNo: index + 1, allocation })),
    ),
  );
  return [
    numberColumn(rows.map(({ id }) => stored(id))),
    numberColumn(rows.map(({ lineNo }) => lineNo)),
    numberColumn(rows.map(({ allocation }) => allocation.warehouseId)),
    numberColumn(rows.map(({ allocation }) => allocation.quantity)),
  ];
}
