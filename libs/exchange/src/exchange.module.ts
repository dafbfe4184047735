import { Module } from '@nestjs/common';

import { IdGenerator, IdGeneratorModule } from '@daybook/id-generator';
import { PartitionRetention } from '@daybook/platform';

import { CancelExchangeOrderHandler } from './cancel-exchange-order/cancel-exchange-order.command.js';
import { EXCHANGE_GATEWAY } from './exchange-gateway.js';
import { EXCHANGE_ORDER_SERIES } from './exchange-order.entity.js';
import { ExchangeOrdersController } from './exchange-orders.controller.js';
import { ExchangeOrdersRepository } from './exchange-orders.repository.js';
import { GetExchangeOrderHandler } from './get-exchange-order/get-exchange-order.query.js';
import { ListExchangeOrdersHandler } from './list-exchange-orders/list-exchange-orders.query.js';
import { ListExecutionsHandler } from './list-executions/list-executions.query.js';
import { PlaceExchangeOrderHandler } from './place-exchange-order/place-exchange-order.command.js';
import { RecoverExchangeOrders } from './recover-exchange-orders/recover-exchange-orders.job.js';
import { SettleExchangeOrders } from './settle-exchange-orders.js';
import { UnsettledGauges } from './unsettled-gauges.js';
import { Venue } from './venue.js';
import { VenueMetrics } from './venue-metrics.js';

@Module({
  imports: [IdGeneratorModule],
  controllers: [ExchangeOrdersController],
  providers: [
    { provide: EXCHANGE_GATEWAY, useFactory: () => undefined },
    ExchangeOrdersRepository,
    Venue,
    VenueMetrics,
    SettleExchangeOrders,
    PlaceExchangeOrderHandler,
    CancelExchangeOrderHandler,
    RecoverExchangeOrders,
    GetExchangeOrderHandler,
    ListExchangeOrdersHandler,
    ListExecutionsHandler,
    UnsettledGauges,
  ],
})
export class ExchangeModule {
  constructor(idGenerator: IdGenerator, retention: PartitionRetention) {
    idGenerator.register(EXCHANGE_ORDER_SERIES);
    retention.keepMonthsWith({
      table: 'exchange_orders',
      condition: `status IN ('pending', 'created', 'partially_filled', 'cancel_pending')`,
      description: 'exchange orders that are open',
    });
  }
}
