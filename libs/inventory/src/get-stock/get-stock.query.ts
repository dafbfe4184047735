import { Inject } from '@nestjs/common';
import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import { DataSource } from 'typeorm';

import { NotFound } from '@daybook/platform';

import type { StockResponse, WarehouseStockResponse } from './get-stock.dto.js';

/** The stock of one product, in all and per warehouse. @throws {NotFound} */
export class GetStock extends Query<StockResponse> {
  constructor(readonly sku: string) {
    super();
  }
}

// A hold that is overdue holds nothing, even while it still counts in the stored sum.
const READ = `
  SELECT warehouse.code AS warehouse, level.on_hand::float8 AS "onHand",
    (level.reserved - overdue.quantity)::float8 AS reserved, level.allocated::float8,
    (level.on_hand - level.reserved + overdue.quantity - level.allocated)::float8 AS available
  FROM products product
  JOIN stock_levels level ON level.product_id = product.id
  JOIN warehouses warehouse ON warehouse.id = level.warehouse_id
  CROSS JOIN LATERAL (
    SELECT coalesce(sum(hold.quantity), 0) AS quantity FROM stock_holds hold
    WHERE hold.product_id = level.product_id AND hold.warehouse_id = level.warehouse_id
      AND hold.expires_at <= (SELECT business_now())) AS overdue
  WHERE product.sku = $1
  ORDER BY warehouse.priority, warehouse.id`;

@QueryHandler(GetStock)
export class GetStockHandler implements IQueryHandler<GetStock> {
  constructor(@Inject(DataSource) private readonly database: DataSource) {}

  async execute({ sku }: GetStock): Promise<StockResponse> {
    const warehouses = sku.includes('\0')
      ? []
      : ((await this.database.query(READ, [sku])) as WarehouseStockResponse[]);
    if (warehouses.length === 0) throw new NotFound(`There is no product ${sku}.`);
    const sum = (read: (row: WarehouseStockResponse) => number) =>
      warehouses.reduce((total, row) => total + read(row), 0);
    return {
      sku,
      onHand: sum(({ onHand }) => onHand),
      reserved: sum(({ reserved }) => reserved),
      allocated: sum(({ allocated }) => allocated),
      available: sum(({ available }) => available),
      warehouses,
    };
  }
}
