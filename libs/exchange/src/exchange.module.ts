import { Module } from '@nestjs/common';

import { IdGenerator, IdGeneratorModule } from '@daybook/id-generator';
import { PartitionRetention } from '@daybook/platform';

import { EXCHANGE_ORDER_SERIES } from './exchange-order.entity.js';
import { ExchangeOrdersRepository } from './exchange-orders.repository.js';

@Module({
  imports: [IdGeneratorModule],
  providers: [ExchangeOrdersRepository],
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
