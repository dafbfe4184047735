import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

import { numberColumn, prepared, textColumn, textsIn } from '@daybook/platform';

import type { AvailableLevel, ProductStock } from './allocation/stock-ledger.js';
import { InsufficientStock } from './inventory.errors.js';
import type { Hold } from './reservation.js';

/** One warehouse's stock of one product changes; the deltas of one statement may name a level more than once. */
export interface StockChange {
  readonly productId: number;
  readonly warehouseId: number;
  readonly onHandDelta?: number;
  readonly reservedDelta?: number;
  readonly allocatedDelta?: number;
}

/** Why on hand changed. */
export interface StockMovement {
  readonly productId: number;
  readonly warehouseId: number;
  readonly kind: 'received' | 'adjusted' | 'shipped' | 'returned';
  readonly quantityDelta: number;
  readonly reason: string;
}

interface LockedLevel {
  readonly product_id: number;
  readonly sku: string;
  readonly name: string;
  readonly price_cents: number;
  readonly currency: string;
  readonly active: boolean;
  readonly warehouse_id: number;
  readonly warehouse: string;
  readonly priority: number;
  readonly available: number;
}

// Locked in one order everywhere, so that transactions wait for each other and never deadlock.
// NO KEY: nothing refers to a stock level. A product has at least one level from its creation on.
const lockStock = (condition: string) => `
  SELECT product.id AS product_id, product.sku, product.name, product.price_cents::float8, product.currency,
    product.active, level.warehouse_id, warehouse.code AS warehouse, warehouse.priority,
    (level.on_hand - level.reserved - level.allocated)::float8 AS available
  FROM products product
  JOIN stock_levels level ON level.product_id = product.id
  JOIN warehouses warehouse ON warehouse.id = level.warehouse_id
  WHERE ${condition}
  ORDER BY level.product_id, level.warehouse_id
  FOR NO KEY UPDATE OF level`;
const LOCK_BY_SKU = lockStock(`product.sku = ANY(${textsIn('$1')})`);
const LOCK_BY_ID = lockStock('product.id = ANY($1::int[])');

const APPLY_CHANGES = `
  UPDATE stock_levels level
  SET on_hand = level.on_hand + change.on_hand, reserved = level.reserved + change.reserved,
    allocated = level.allocated + change.allocated
  FROM unnest($1::int[], $2::int[], $3::bigint[], $4::bigint[], $5::bigint[])
    AS change (product_id, warehouse_id, on_hand, reserved, allocated)
  WHERE level.product_id = change.product_id AND level.warehouse_id = change.warehouse_id
  RETURNING 1`;

const INSERT_MOVEMENTS = `
  INSERT INTO stock_movements (product_id, warehouse_id, kind, quantity_delta, reason, occurred_at)
  SELECT movement.*, $6 FROM unnest($1::int[], $2::int[], ${textsIn('$3')}, $4::bigint[], ${textsIn('$5')}) AS movement`;

// As lockStock does it, for those that only change what they know already.
const LOCK_LEVELS = `
  SELECT FROM stock_levels WHERE product_id = ANY($1::int[])
  ORDER BY product_id, warehouse_id FOR NO KEY UPDATE`;

// Bounded, so that a great backlog cannot outlast the statement's time limit; whoever is still short comes again.
// The clock in a subquery, so that it is read once and the index serves the comparison. By ctid, which is twice as fast as
// by key, and safe: whoever moves or deletes these rows has locked their stock level, as the caller has.
const REAP = `
  DELETE FROM stock_holds
  WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM stock_holds
    WHERE product_id = ANY($1::int[]) AND expires_at <= (SELECT business_now())
      AND ($2::int IS NULL OR warehouse_id = $2)
    LIMIT 5000))
  RETURNING product_id AS "productId", warehouse_id AS "warehouseId", quantity`;

/** The SQL of stock: lock, then change. Whoever changes stock has locked it in the same transaction. */
@Injectable()
export class StockRepository {
  /** Locks all levels of the products and reads them. Unknown SKUs are missing from the map. */
  async lockBySku(skus: readonly string[], manager: EntityManager): Promise<Map<string, ProductStock>> {
    const rows = await prepared<LockedLevel>(manager, 'stock/lock-by-sku', LOCK_BY_SKU, [textColumn(skus)]);
    return new Map(groupByProduct(rows).map((product) => [product.sku, product]));
  }

  /** Locks all levels of the products, for changes whose warehouses are known already. */
  async lockById(productIds: readonly number[], manager: EntityManager): Promise<Map<number, ProductStock>> {
    const rows = await prepared<LockedLevel>(manager, 'stock/lock-by-id', LOCK_BY_ID, [
      numberColumn(productIds),
    ]);
    return new Map(groupByProduct(rows).map((product) => [product.productId, product]));
  }

  /** Only locks all levels of the products. */
  async lock(productIds: ReadonlySet<number>, manager: EntityManager): Promise<void> {
    if (productIds.size === 0) return;
    await prepared(manager, 'stock/lock-levels', LOCK_LEVELS, [numberColumn([...productIds])]);
  }

  /**
   * Decides on locked stock. When it falls short of a product, the product's overdue holds end here and now, and it is
   * decided again: they hold nothing, whether or not anybody has cleaned up behind them.
   * @param decide pure; may be called again with more stock
   */
  async decide<K, D>(
    products: ReadonlyMap<K, ProductStock>,
    decide: (products: ReadonlyMap<K, ProductStock>) => readonly D[],
    manager: EntityManager,
  ): Promise<readonly D[]> {
    const decisions = decide(products);
    const short = findShortProducts(decisions, products);
    if (short.length === 0) return decisions;
    const freed = await this.reapOverdue(short, manager);
    return freed.length === 0 ? decisions : this.decide(withFreed(products, freed), decide, manager);
  }

  /**
   * Ends overdue holds on products whose levels are locked, and gives back their stock. Their reservations are left as
   * they are: overdue ones count as expired.
   * @param warehouseId when only the level in this warehouse is locked
   * @returns what became available; empty when nothing is overdue
   */
  async reapOverdue(
    productIds: readonly number[],
    manager: EntityManager,
    warehouseId?: number,
  ): Promise<readonly Hold[]> {
    const values = [numberColumn(productIds), warehouseId ?? null];
    const freed = await prepared<Hold>(manager, 'stock/reap', REAP, values);
    const changes = freed.map((hold) => ({ ...hold, reservedDelta: -hold.quantity }));
    await this.applyChanges(changes, manager);
    return freed;
  }

  /** Adds the deltas. The database's CHECKs are the backstop: a change that would oversell fails the transaction. */
  async applyChanges(changes: readonly StockChange[], manager: EntityManager): Promise<void> {
    const sums = sumPerLevel(changes);
    if (sums.length === 0) return;
    const rows = await prepared(manager, 'stock/apply-changes', APPLY_CHANGES, [
      numberColumn(sums.map(({ productId }) => productId)),
      numberColumn(sums.map(({ warehouseId }) => warehouseId)),
      numberColumn(sums.map(({ onHandDelta }) => onHandDelta)),
      numberColumn(sums.map(({ reservedDelta }) => reservedDelta)),
      numberColumn(sums.map(({ allocatedDelta }) => allocatedDelta)),
    ]);
    if (rows.length !== sums.length) throw new Error('A stock change names a level that does not exist');
  }

  async recordMovements(
    movements: readonly StockMovement[],
    at: Date,
    manager: EntityManager,
  ): Promise<void> {
    if (movements.length === 0) return;
    await prepared(manager, 'stock/record-movements', INSERT_MOVEMENTS, [
      numberColumn(movements.map(({ productId }) => productId)),
      numberColumn(movements.map(({ warehouseId }) => warehouseId)),
      textColumn(movements.map(({ kind }) => kind)),
      numberColumn(movements.map(({ quantityDelta }) => quantityDelta)),
      textColumn(movements.map(({ reason }) => reason)),
      at,
    ]);
  }
}

function findShortProducts<K>(
  decisions: readonly unknown[],
  products: ReadonlyMap<K, ProductStock>,
): number[] {
  const skus = new Set(
    decisions.flatMap((decision) =>
      decision instanceof InsufficientStock ? decision.lines.map(({ sku }) => sku) : [],
    ),
  );
  if (skus.size === 0) return [];
  return [...products.values()].filter(({ sku }) => skus.has(sku)).map(({ productId }) => productId);
}

function withFreed<K>(
  products: ReadonlyMap<K, ProductStock>,
  freed: readonly Hold[],
): ReadonlyMap<K, ProductStock> {
  const byProduct = Map.groupBy(freed, ({ productId }) => productId);
  const entries = [...products].map(([key, product]): [K, ProductStock] => {
    const own = byProduct.get(product.productId);
    return [key, own === undefined ? product : { ...product, levels: addAvailable(product.levels, own) }];
  });
  return new Map(entries);
}

function addAvailable(levels: readonly AvailableLevel[], freed: readonly Hold[]): AvailableLevel[] {
  return levels.map((level) => {
    const own = freed.filter(({ warehouseId }) => warehouseId === level.warehouseId);
    return { ...level, available: own.reduce((sum, { quantity }) => sum + quantity, level.available) };
  });
}

function groupByProduct(rows: readonly LockedLevel[]): ProductStock[] {
  const products: (ProductStock & { levels: ProductStock['levels'][number][] })[] = [];
  for (const row of rows) {
    let product = products.at(-1);
    if (product?.productId !== row.product_id) {
      const { product_id: productId, sku, name, price_cents: priceCents, currency, active } = row;
      product = { productId, sku, name, priceCents, currency, active, levels: [] };
      products.push(product);
    }
    const { warehouse_id: warehouseId, warehouse, priority, available } = row;
    product.levels.push({ warehouseId, warehouse, priority, available });
  }
  return products;
}

function sumPerLevel(changes: readonly StockChange[]): Required<StockChange>[] {
  const sums = new Map<string, { -readonly [K in keyof StockChange]-?: StockChange[K] }>();
  for (const { productId, warehouseId, onHandDelta = 0, reservedDelta = 0, allocatedDelta = 0 } of changes) {
    const level = `${productId}/${warehouseId}`;
    const sum = sums.get(level);
    if (sum === undefined) {
      sums.set(level, { productId, warehouseId, onHandDelta, reservedDelta, allocatedDelta });
    } else {
      sum.onHandDelta += onHandDelta;
      sum.reservedDelta += reservedDelta;
      sum.allocatedDelta += allocatedDelta;
    }
  }
  return [...sums.values()];
}
