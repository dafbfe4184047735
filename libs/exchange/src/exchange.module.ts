import { Inject, Module, type OnApplicationShutdown } from '@nestjs/common';

import { IdGenerator, IdGeneratorModule } from '@daybook/id-generator';
import { CONFIG, type DaybookConfig, PartitionRetention } from '@daybook/platform';

import { EXCHANGE_GATEWAY, type ExchangeGateway } from './exchange-gateway.js';
import { EXCHANGE_ORDER_SERIES } from './exchange-order.entity.js';
import { ExchangeOrdersRepository } from './exchange-orders.repository.js';
import { NoVenue } from './gateways/no-venue.js';
import { RestGateway } from './gateways/rest-gateway.js';

@Module({
  imports: [IdGeneratorModule],
  providers: [
    ExchangeOrdersRepository,
    { provide: EXCHANGE_GATEWAY, useFactory: configuredGateway, inject: [CONFIG] },
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
