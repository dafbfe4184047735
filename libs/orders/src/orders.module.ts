import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';

import { IdGenerator, IdGeneratorModule } from '@daybook/id-generator';
import { InventoryModule } from '@daybook/inventory';
import { PartitionRetention } from '@daybook/platform';

import { ChangeOrderStatusHandler } from './change-order-status/change-order-status.command.js';
import { OrderMoves } from './change-order-status/order-moves.js';
import { ExportOrdersHandler } from './export-orders/export-orders.query.js';
import { GetOrderHandler } from './get-order/get-order.query.js';
import { ListOrdersHandler } from './list-orders/list-orders.query.js';
import { OrderSearch } from './order-search.js';
import { CLAIMING_STATUSES } from './order-status.js';
import { Order, ORDER_SERIES } from './order.entity.js';
import { OrdersController } from './orders.controller.js';
import { OrdersRepository } from './orders.repository.js';
import { PlaceOrderHandler } from './place-order/place-order.command.js';
import { PlaceOrdersInBulkHandler } from './place-orders-in-bulk/place-orders-in-bulk.command.js';
import { RequeueStuckOrders } from './requeue-stuck-orders/requeue-stuck-orders.job.js';

@Module({
  imports: [TypeOrmModule.forFeature([Order]), InventoryModule, IdGeneratorModule],
  controllers: [OrdersController],
  providers: [
    OrdersRepository,
    OrderSearch,
    OrderMoves,
    ChangeOrderStatusHandler,
    ExportOrdersHandler,
    GetOrderHandler,
    ListOrdersHandler,
    PlaceOrderHandler,
    PlaceOrdersInBulkHandler,
    RequeueStuckOrders,
  ],
  exports: [OrderMoves],
})
export class OrdersModule {
  constructor(idGenerator: IdGenerator, retention: PartitionRetention) {
    idGenerator.register(ORDER_SERIES);
    retention.keepMonthsWith({
      table: 'orders',
      condition: `status = ANY ('{${CLAIMING_STATUSES.join()}}')`,
      description: 'orders that claim stock',
    });
  }
}
