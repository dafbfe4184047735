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
import { CorrectStockHandler } from './correct-stock/correct-stock.command.js';
import { CreateProductHandler } from './create-product/create-product.command.js';
import { CreateWarehouseHandler } from './create-warehouse/create-warehouse.command.js';
import { ExpireReservationsHandler } from './expire-reservations/expire-reservations.command.js';
import { ExpireReservationsJob } from './expire-reservations/expire-reservations.job.js';
import { ExpiryWakeUp } from './expire-reservations/expiry-wake-up.js';
import { ExtendReservationHandler } from './extend-reservation/extend-reservation.command.js';
import { GetProductHandler } from './get-product/get-product.query.js';
import { GetReservationHandler } from './get-reservation/get-reservation.query.js';
import { GetStockHandler } from './get-stock/get-stock.query.js';
import { ListProductsHandler } from './list-products/list-products.query.js';
import { ListWarehousesHandler } from './list-warehouses/list-warehouses.query.js';
import { Product } from './product.entity.js';
import { PurgeReservations } from './purge-reservations/purge-reservations.job.js';
import { ReleaseReservationHandler } from './release-reservation/release-reservation.command.js';
import { ReservationGauges } from './reservation-gauges.js';
import { ReservationMetrics } from './reservation-metrics.js';
import { ReservationsController } from './reservations.controller.js';
import { ReservationsRepository } from './reservations.repository.js';
import { ReserveStockHandler } from './reserve-stock/reserve-stock.command.js';
import { StockRepository } from './stock.repository.js';
import { Warehouse } from './warehouse.entity.js';
import { WarehousesController } from './warehouses.controller.js';

@Module({
  imports: [TypeOrmModule.forFeature([Product, Warehouse])],
  controllers: [CatalogueController, ReservationsController, WarehousesController],
  providers: [
    StockRepository,
    ReservationsRepository,
    {
      provide: ALLOCATION_STRATEGY,
      inject: [CONFIG],
      useFactory: ({ allocationStrategy }: DaybookConfig) =>
        allocationStrategy === 'by-priority' ? new AllocateByPriority() : new AllocateFewestParcels(),
    },
    AdjustStockHandler,
    ChangeProductHandler,
    CorrectStockHandler,
    CreateProductHandler,
    CreateWarehouseHandler,
    ExpireReservationsHandler,
    ExpireReservationsJob,
    ExpiryWakeUp,
    ExtendReservationHandler,
    GetProductHandler,
    GetReservationHandler,
    GetStockHandler,
    ListProductsHandler,
    ListWarehousesHandler,
    PurgeReservations,
    ReleaseReservationHandler,
    ReservationGauges,
    ReservationMetrics,
    ReserveStockHandler,
  ],
  exports: [StockRepository, ReservationsRepository, ALLOCATION_STRATEGY],
})
export class InventoryModule {}
