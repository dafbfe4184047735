import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

import {
  businessNow,
  numberColumn,
  prepared,
  RetryTransaction,
  textColumn,
  textsIn,
  together,
} from '@daybook/platform';

import { type Hold, holdsOf, type Reservation } from './reservation.js';
import { StockRepository } from './stock.repository.js';

const COLUMNS = `id, customer_id AS "customerId", status, lines, expires_at AS "expiresAt", order_id AS "orderId",
  created_at AS "createdAt", updated_at AS "updatedAt", version`;

const FIND = `SELECT ${COLUMNS} FROM reservations WHERE id = $1`;

// In one order everywhere, and before any stock: see StockRepository.
const LOCK = `
  SELECT ${COLUMNS} FROM reservations WHERE id = ANY(${textsIn('$1')}::uuid[]) ORDER BY id FOR NO KEY UPDATE`;

// Another process may be ending some of them: it is welcome to.
const LOCK_OVERDUE = `
  SELECT ${COLUMNS} FROM reservations
  WHERE status = 'active' AND expires_at <= (SELECT business_now())
    AND expires_at > (SELECT business_now()) - make_interval(secs => $2)
  ORDER BY expires_at LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED`;

const INSERT = `
  WITH made AS (
    INSERT INTO reservations (id, customer_id, status, lines, expires_at, created_at, updated_at, version)
    SELECT id::uuid, customer_id, 'active', lines::jsonb, expires_at::timestamptz, $5, $5, 1
    FROM unnest(${textsIn('$1')}, ${textsIn('$2')}, ${textsIn('$3')}, ${textsIn('$4')})
      AS made (id, customer_id, lines, expires_at))
  INSERT INTO stock_holds (reservation_id, product_id, warehouse_id, quantity, expires_at)
  SELECT reservation_id::uuid, product_id, warehouse_id, quantity, expires_at::timestamptz
  FROM unnest(${textsIn('$6')}, $7::int[], $8::int[], $9::int[], ${textsIn('$10')})
    AS hold (reservation_id, product_id, warehouse_id, quantity, expires_at)`;

// Guarded by the status that was read under lock: a row that is not met means the lock did not hold.
const UPDATE = `
  UPDATE reservations SET status = change.status, expires_at = change.expires_at::timestamptz,
    order_id = change.order_id, updated_at = change.updated_at::timestamptz, version = change.version
  FROM unnest(${textsIn('$1')}, ${textsIn('$2')}, ${textsIn('$3')}, ${textsIn('$4')}, ${textsIn('$5')}, $6::int[])
    AS change (id, status, expires_at, order_id, updated_at, version)
  WHERE reservations.id = change.id::uuid AND reservations.status = 'active'
  RETURNING 1`;

const EXTEND_HOLDS = `
  UPDATE stock_holds SET expires_at = change.expires_at::timestamptz
  FROM unnest(${textsIn('$1')}, ${textsIn('$2')}) AS change (id, expires_at)
  WHERE stock_holds.reservation_id = change.id::uuid
  RETURNING 1`;

const END_HOLDS = `
  DELETE FROM stock_holds WHERE reservation_id = ANY(${textsIn('$1')}::uuid[])
  RETURNING product_id AS "productId", warehouse_id AS "warehouseId", quantity`;

const HELD_PRODUCTS = `
  SELECT DISTINCT product_id FROM stock_holds WHERE reservation_id = ANY(${textsIn('$1')}::uuid[])`;

/**
 * The SQL of reservations. Whoever changes one locks it first, then the stock of its products, and only then reads the
 * clock: from there on nobody else can end it, and no earlier reading of the clock decides.
 */
@Injectable()
export class ReservationsRepository {
  constructor(private readonly stock: StockRepository) {}

  async find(id: string, manager: EntityManager): Promise<Reservation | undefined> {
    const [row] = (await manager.query(FIND, [id])) as (Reservation | undefined)[];
    return row;
  }

  /** Locks reservations in the order of their ids, whatever the order given; unknown ones are missing from the map. */
  async lock(ids: readonly string[], manager: EntityManager): Promise<Map<string, Reservation>> {
    if (ids.length === 0) return new Map();
    const distinct = textColumn([...new Set(ids)]);
    const rows = await prepared<Reservation>(manager, 'reservations/lock', LOCK, [distinct]);
    return new Map(rows.map((reservation) => [reservation.id, reservation]));
  }

  /** As {@link lock}, with the stock that they hold, and the moment at which both were locked. */
  async lockWithStock(ids: readonly string[], manager: EntityManager) {
    const reservations = await this.lock(ids, manager);
    const lines = [...reservations.values()].flatMap((reservation) => reservation.lines);
    await this.stock.lock(new Set(lines.map(({ productId }) => productId)), manager);
    return { reservations, now: await businessNow(manager) };
  }

  /**
   * Locks reservations that are overdue by the database clock, those due first first. Those that somebody else has locked
   * are left out.
   * @param withinSeconds only those that were due at most this long ago
   */
  lockOverdue(limit: number, withinSeconds: number, manager: EntityManager): Promise<Reservation[]> {
    return prepared(manager, 'reservations/lock-overdue', LOCK_OVERDUE, [limit, withinSeconds]);
  }

  async insert(reservations: readonly Reservation[], manager: EntityManager): Promise<void> {
    const [first] = reservations;
    if (first === undefined) return;
    const holds = reservations.flatMap((reservation) =>
      holdsOf(reservation).map((hold) => ({ ...hold, reservation })),
    );
    await prepared(manager, 'reservations/insert', INSERT, [
      idColumn(reservations),
      textColumn(reservations.map(({ customerId }) => customerId)),
      textColumn(reservations.map(({ lines }) => JSON.stringify(lines))),
      textColumn(reservations.map(({ expiresAt }) => expiresAt.toISOString())),
      first.createdAt,
      idColumn(holds.map(({ reservation }) => reservation)),
      numberColumn(holds.map(({ productId }) => productId)),
      numberColumn(holds.map(({ warehouseId }) => warehouseId)),
      numberColumn(holds.map(({ quantity }) => quantity)),
      textColumn(holds.map(({ reservation }) => reservation.expiresAt.toISOString())),
    ]);
  }

  /** Writes active reservations as they are after they were extended. */
  async extend(extended: readonly Reservation[], manager: EntityManager): Promise<void> {
    if (extended.length === 0) return;
    const holds = prepared(manager, 'reservations/extend-holds', EXTEND_HOLDS, [
      idColumn(extended),
      textColumn(extended.map(({ expiresAt }) => expiresAt.toISOString())),
    ]);
    await together(
      this.update(extended, manager),
      holds.then((rows) => expectHolds(rows, extended)),
    );
  }

  /** Writes reservations as they are after their end, which is not yet overdue, and ends their claims on stock. */
  async end(ended: readonly Reservation[], manager: EntityManager): Promise<void> {
    if (ended.length === 0) return;
    const holds = prepared(manager, 'reservations/end-holds', END_HOLDS, [idColumn(ended)]);
    await together(
      this.update(ended, manager),
      holds.then((rows) => expectHolds(rows, ended)),
    );
  }

  /** Writes down that overdue reservations have expired. What they held is given back by {@link giveBack}. */
  async expire(expired: readonly Reservation[], manager: EntityManager): Promise<void> {
    if (expired.length > 0) await this.update(expired, manager);
  }

  /** Locks the stock that expired reservations still hold, and gives it back; some of it may be back already. */
  async giveBack(expired: readonly Reservation[], manager: EntityManager): Promise<void> {
    if (expired.length === 0) return;
    const ids = [idColumn(expired)];
    const held = await prepared<{ product_id: number }>(
      manager,
      'reservations/held-products',
      HELD_PRODUCTS,
      ids,
    );
    await this.stock.lock(new Set(held.map(({ product_id }) => product_id)), manager);
    const ended = await prepared<Hold>(manager, 'reservations/end-holds', END_HOLDS, ids);
    const freed = ended.map((hold) => ({ ...hold, reservedDelta: -hold.quantity }));
    await this.stock.applyChanges(freed, manager);
  }

  private async update(changed: readonly Reservation[], manager: EntityManager): Promise<void> {
    const rows = await prepared(manager, 'reservations/update', UPDATE, [
      idColumn(changed),
      textColumn(changed.map(({ status }) => status)),
      textColumn(changed.map(({ expiresAt }) => expiresAt.toISOString())),
      textColumn(changed.map(({ orderId }) => orderId)),
      textColumn(changed.map(({ updatedAt }) => updatedAt.toISOString())),
      numberColumn(changed.map(({ version }) => version)),
    ]);
    if (rows.length !== changed.length) {
      throw new RetryTransaction('A reservation ended although it was locked', undefined);
    }
  }
}

/**
 * Holds that are not overdue are all there, unless the database clock was set back since they were: a second run reads
 * it again.
 */
function expectHolds(rows: readonly unknown[], reservations: readonly Reservation[]): void {
  const expected = reservations.reduce((sum, reservation) => sum + holdsOf(reservation).length, 0);
  if (rows.length === expected) return;
  throw new RetryTransaction('A hold ended before its reservation', undefined);
}

function idColumn(reservations: readonly { readonly id: string }[]): string {
  return textColumn(reservations.map(({ id }) => id));
}
