import { type DynamicModule, Inject, Module, type OnApplicationShutdown, type Type } from '@nestjs/common';
import { DataSource } from 'typeorm';

import { IdGenerator, IdGeneratorModule } from '@daybook/id-generator';
import { CONFIG, type DaybookConfig, PartitionRetention } from '@daybook/platform';

import { ApplyStretches } from './apply-executions/apply-stretches.js';
import { ApplyToOrders } from './apply-executions/apply-to-orders.js';
import { ExecutionConsumer } from './apply-executions/execution-consumer.js';
import { ExecutionRows } from './apply-executions/execution-rows.js';
import { ParkedReports } from './apply-executions/parked-reports.js';
import { NatsBus } from './buses/nats-bus.js';
import { PostgresBus } from './buses/postgres-bus.js';
import { CancelExchangeOrderHandler } from './cancel-exchange-order/cancel-exchange-order.command.js';
import { ExchangeController } from './exchange.controller.js';
import { EXCHANGE_GATEWAY, type ExchangeGateway } from './exchange-gateway.js';
import { EXCHANGE_ORDER_SERIES } from './exchange-order.entity.js';
import { ExchangeOrdersRepository } from './exchange-orders.repository.js';
import { EXECUTION_BUS, type ExecutionBus } from './execution-bus.js';
import { ExecutionOffsets } from './execution-offsets.js';
import { NoVenue } from './gateways/no-venue.js';
import { RestGateway } from './gateways/rest-gateway.js';
import { GetExchangeOrderHandler } from './get-exchange-order/get-exchange-order.query.js';
import { ListExchangeOrdersHandler } from './list-exchange-orders/list-exchange-orders.query.js';
import { ListExecutionsHandler } from './list-executions/list-executions.query.js';
import { PlaceExchangeOrderHandler } from './place-exchange-order/place-exchange-order.command.js';
import { ExecutionReceiver } from './receive-executions/execution-receiver.js';
import { RecoverExchangeOrders } from './recover-exchange-orders/recover-exchange-orders.job.js';
import { SettleExchangeOrders } from './settle-exchange-orders.js';
import { StreamGauges } from './stream-gauges.js';
import { StreamMetrics } from './stream-metrics.js';
import { UnsettledGauges } from './unsettled-gauges.js';
import { backgroundShare, Venue } from './venue.js';
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
    { provide: EXECUTION_BUS, useFactory: configuredBus, inject: [CONFIG, DataSource, EXCHANGE_GATEWAY] },
    ExecutionOffsets,
    StreamMetrics,
    StreamGauges,
    ExecutionReceiver,
    ExecutionRows,
    ApplyToOrders,
    ApplyStretches,
    ParkedReports,
    ExecutionConsumer,
  ],
  exports: [ExecutionReceiver, ExecutionConsumer],
})
export class ExchangeModule implements OnApplicationShutdown {
  constructor(
    idGenerator: IdGenerator,
    retention: PartitionRetention,
    @Inject(EXECUTION_BUS) private readonly bus: ExecutionBus,
    @Inject(EXCHANGE_GATEWAY) private readonly gateway: ExchangeGateway,
  ) {
    idGenerator.register(EXCHANGE_ORDER_SERIES);
    retention.keepMonthsWith({
      table: 'exchange_orders',
      condition: `status IN ('pending', 'created', 'partially_filled', 'cancel_pending')`,
      description: 'exchange orders that are open',
    });
  }

  /** In place of the configured gateway, one of a team's own, which may inject what its modules export. */
  static withGateway(gateway: Type<ExchangeGateway>, imports: DynamicModule['imports'] = []): DynamicModule {
    return {
      module: ExchangeModule,
      imports,
      providers: [{ provide: EXCHANGE_GATEWAY, useClass: gateway }],
    };
  }

  async onApplicationShutdown(): Promise<void> {
    await this.bus.close?.();
    await this.gateway.close?.();
  }
}

function configuredGateway({ exchange }: DaybookConfig): ExchangeGateway {
  const { url, venue, token, connections } = exchange;
  if (url === undefined) return new NoVenue();
  // As many as there can be, so that none waits there: its deadline has begun by then, and the wait would be taken for the
  // venue's.
  const atATime = connections + backgroundShare(connections);
  return new RestGateway({ venue, url, token, connections: atATime });
}

function configuredBus(
  { exchange: { natsUrl } }: DaybookConfig,
  database: DataSource,
  { venue }: ExchangeGateway,
): ExecutionBus {
  return natsUrl === undefined ? new PostgresBus(database) : new NatsBus({ url: natsUrl, venue });
}
