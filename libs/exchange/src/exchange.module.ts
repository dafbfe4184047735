import { Inject, Module, type OnApplicationShutdown } from '@nestjs/common';

import { IdGenerator, IdGeneratorModule } from '@daybook/id-generator';
import { CONFIG, type DaybookConfig, PartitionRetention } from '@daybook/platform';

import { CancelExchangeOrderHandler } from './cancel-exchange-order/cancel-exchange-order.command.js';
import { ExchangeController } from './exchange.controller.js';
import { EXCHANGE_GATEWAY, type ExchangeGateway } from './exchange-gateway.js';
import { EXCHANGE_ORDER_SERIES } from './exchange-order.entity.js';
import { ExchangeOrdersRepository } from './exchange-orders.repository.js';
import { NoVenue } from './gateways/no-venue.js';
import { RestGateway } from './gateways/rest-gateway.js';
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
  controllers: [ExchangeController],
  providers: [
    { provide: EXCHANGE_GATEWAY, useFactory: configuredGateway, inject: [CONFIG] },
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
export class ExchangeModule implements OnApplicationShutdown {
  constructor(
    idGenerator: IdGenerator,
    retention: PartitionRetention,
    @Inject(EXCHANGE_GATEWAY) private readonly gateway: ExchangeGateway,
  ) {
    idGenerator.register(EXCHANGE_ORDER_SERIES);
    retention.keepMonthsWith({
      table: 'exchange_orders',
      condition: `status IN ('pending', 'created', 'partially_filled', 'cancel_pending')`,
      description: 'exchange orders that are open',
    });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.gateway.close?.();
  }
}

function configuredGateway({ exchange }: DaybookConfig): ExchangeGateway {
  const { url, token, connections } = exchange;
  return url === undefined ? new NoVenue() : new RestGateway({ venue: 'XSIM', url, token, connections });
}
