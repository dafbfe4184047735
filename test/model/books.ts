import { CLAIMING_STATUSES } from '@daybook/orders';

import type { TestDatabase } from '../support/database.js';
import type { Oracle } from './oracle.js';

interface StoredLevel {
  readonly sku: string;
  readonly warehouse: string;
  readonly onHand: number;
  readonly reserved: number;
  readonly allocated: number;
  /** The sums of what stands behind each of them. */
  readonly moved: number;
  readonly held: number;
  readonly claimed: number;
}

/** A row as far as its name goes. */
interface Named {
  readonly id?: string;
  readonly owner?: string;
  readonly sku?: string;
  readonly warehouse?: string;
}

interface Books {
  readonly levels: readonly StoredLevel[];
  readonly holds: readonly Named[];
  readonly reservations: readonly Named[];
  readonly orders: readonly object[];
}

// Of each table what the model knows, in one statement: one look at one moment.
const READ = `
  SELECT
    (SELECT json_agg(level) FROM (
      SELECT product.sku, warehouse.code AS warehouse, on_hand AS "onHand", reserved, allocated,
        (SELECT coalesce(sum(quantity_delta), 0) FROM stock_movements movement
          WHERE movement.product_id = level.product_id AND movement.warehouse_id = level.warehouse_id) AS moved,
        (SELECT coalesce(sum(quantity), 0) FROM stock_holds hold
          WHERE hold.product_id = level.product_id AND hold.warehouse_id = level.warehouse_id) AS held,
        (SELECT coalesce(sum(allocation.quantity), 0) FROM orders
          JOIN order_lines line ON line.order_id = orders.id
          JOIN order_allocations allocation ON allocation.order_id = line.order_id
            AND allocation.line_no = line.line_no
          WHERE orders.status = ANY($1::text[]) AND line.product_id = level.product_id
            AND allocation.warehouse_id = level.warehouse_id) AS claimed
      FROM stock_levels level
      JOIN products product ON product.id = level.product_id
      JOIN warehouses warehouse ON warehouse.id = level.warehouse_id
      ORDER BY product.id, warehouse.priority, warehouse.id) AS level) AS levels,
    (SELECT coalesce(json_agg(hold), '[]') FROM (
      SELECT reservation_id AS owner, product.sku, warehouse.code AS warehouse, sum(quantity) AS quantity,
        extract(epoch FROM expires_at) * 1000 AS "dueAt"
      FROM stock_holds hold
      JOIN products product ON product.id = hold.product_id
      JOIN warehouses warehouse ON warehouse.id = hold.warehouse_id
      GROUP BY reservation_id, product.sku, warehouse.code, expires_at) AS hold) AS holds,
    (SELECT coalesce(json_agg(reservation), '[]') FROM (
      SELECT id, status, version, order_id AS "orderId", extract(epoch FROM expires_at) * 1000 AS "dueAt",
        (SELECT count(*) FROM journal WHERE entity_type = 'reservation' AND entity_id = reservations.id::text)
          AS journaled
      FROM reservations) AS reservation) AS reservations,
    (SELECT coalesce(json_agg(placed), '[]') FROM (
      SELECT status, version, reservation_id AS "reservationId" FROM orders ORDER BY id) AS placed) AS orders`;

/** Checks that the stored stock adds up, and that everything stored is what the model says. */
export async function expectBooks(database: TestDatabase, oracle: Oracle): Promise<void> {
  const [books] = await database.query<Books>(READ, [CLAIMING_STATUSES]);
  const levels = books?.levels ?? [];
  for (const { onHand, reserved, allocated, ...level } of levels) {
    const { moved, held, claimed } = level;
    expect({ ...level, onHand, reserved, allocated }).toEqual({
      ...level,
      onHand: moved,
      reserved: held,
      allocated: claimed,
    });
    expect(Math.min(reserved, allocated, onHand - reserved - allocated)).toBeGreaterThanOrEqual(0);
  }
  expect(levels.map(({ moved, held, claimed, ...level }) => level)).toEqual(storedLevels(oracle));
  expect(byName(books?.holds ?? [])).toEqual(byName(storedHolds(oracle)));
  expect(byName(books?.reservations ?? [])).toEqual(
    byName(
      oracle.reservations.map(({ id, status, version, orderId, dueAt }) => ({
        ...{ id, status, version, orderId, dueAt },
        journaled: version,
      })),
    ),
  );
  expect(books?.orders).toEqual(
    oracle.orders.map(({ status, version, reservationId }) => ({ status, version, reservationId })),
  );
}

function storedLevels({ shelves }: Oracle): object[] {
  return shelves.skus.flatMap((sku) =>
    shelves.levels(sku).map((warehouse) => {
      const { onHand, reserved, allocated } = shelves.figures(sku, warehouse);
      return { sku, warehouse, onHand, reserved, allocated };
    }),
  );
}

/** Two lines of one reservation may hold from the same level: that is one row. */
function storedHolds({ shelves }: Oracle): Named[] {
  const holds = shelves.claims.filter(({ dueAt }) => dueAt !== undefined);
  const rows = Map.groupBy(holds, ({ owner, sku, warehouse }) => `${owner} ${sku} ${warehouse}`);
  return [...rows.values()].map((claims) => {
    const quantity = claims.reduce((total, claim) => total + claim.quantity, 0);
    return { ...claims[0], quantity };
  });
}

/** So that they can be compared in any order. */
function byName(rows: readonly Named[]): Record<string, object> {
  return Object.fromEntries(rows.map((row) => [[row.id, row.owner, row.sku, row.warehouse].join(' '), row]));
}

/** The whole answer to "how much is there?". */
export function stockAsShown({ shelves, now }: Oracle, sku: string): object {
  const warehouses = shelves.levels(sku).map((warehouse) => shelves.figures(sku, warehouse, now));
  const total = (figure: 'onHand' | 'reserved' | 'allocated' | 'available') =>
    warehouses.reduce((sum, level) => sum + level[figure], 0);
  return {
    sku,
    onHand: total('onHand'),
    reserved: total('reserved'),
    allocated: total('allocated'),
    available: total('available'),
    warehouses,
  };
}

// Nothing refers to these but each other. The journal stays: it cannot be deleted from.
const EMPTY = `
  DELETE FROM stock_holds; DELETE FROM reservations; DELETE FROM order_allocations; DELETE FROM order_lines;
  DELETE FROM client_order_ids; DELETE FROM orders; DELETE FROM order_tallies; DELETE FROM order_counts; DELETE FROM stock_movements;
  DELETE FROM stock_levels WHERE warehouse_id <> (SELECT id FROM warehouses WHERE code = 'main');
  UPDATE stock_levels SET on_hand = 0, reserved = 0, allocated = 0`;

/** As on the first day, with products and warehouses and nothing else. */
export async function emptyBooks(database: TestDatabase): Promise<void> {
  await database.query(EMPTY);
}
