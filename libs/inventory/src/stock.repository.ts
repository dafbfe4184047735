import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

import { numberColumn, prepared, textColumn, textsIn } from '@daybook/platform';

import type { ProductStock } from './allocation/stock-ledger.js';

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
