import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';

import { CONFIG, type DaybookConfig } from '@daybook/platform';

import { AdjustStockHandler } from './adjust-stock/adjust-stock.command.js';
import {
  ALLOCATION_STRATEGY,
  AllocateByPriority,
  AllocateFewestParcels,
} from './allocation/allocation-strategy.js';
import { CatalogueController } from './catalogue.controller.js';
import { ChangeProductHandler } from './change-product/change-product.command.js';
import { CreateProductHandler } from './create-product/create-product.command.js';
import { CreateWarehouseHandler } from './create-warehouse/create-warehouse.command.js';
import { GetProductHandler } from './get-product/get-product.query.js';
import { GetStockHandler } from './get-stock/get-stock.query.js';
import { ListProductsHandler } from './list-products/list-products.query.js';
import { ListWarehousesHandler } from './list-warehouses/list-warehouses.query.js';
import { Product } from './product.entity.js';
import { StockRepository } from './stock.repository.js';
import { Warehouse } from './warehouse.entity.js';
import { WarehousesController } from './warehouses.controller.js';

@Module({
  imports: [TypeOrmModule.forFeature([Product, Warehouse])],
  controllers: [CatalogueController, WarehousesController],
  providers: [
    StockRepository,
    {
      provide: ALLOCATION_STRATEGY,
      inject: [CONFIG],
      useFactory: ({ allocationStrategy }: DaybookConfig) =>
        allocationStrategy === 'by-priority' ? new AllocateByPriority() : new AllocateFewestParcels(),
    },
    AdjustStockHandler,
    ChangeProductHandler,
    CreateProductHandler,
    CreateWarehouseHandler,
    GetProductHandler,
    GetStockHandler,
    ListProductsHandler,
    ListWarehousesHandler,
  ],
  exports: [StockRepository, ALLOCATION_STRATEGY],
})
export class InventoryModule {}
