import { type DynamicModule, Inject, Module, type OnApplicationShutdown, type Type } from '@nestjs/common';

import { OrdersModule } from '@daybook/orders';
import { CONFIG, type DaybookConfig } from '@daybook/platform';

import { ClaimOrders } from './claim-orders.js';
import { CorrectQueuesHandler } from './correct-queues/correct-queues.command.js';
import { DrainQueueHandler } from './drain-queue/drain-queue.command.js';
import { EnqueueOrders } from './enqueue-orders/enqueue-orders.js';
import { ListDeadOrdersHandler } from './list-dead-orders/list-dead-orders.query.js';
import { ListQueuesHandler } from './list-queues/list-queues.query.js';
import { ORDER_PROCESSOR, type OrderProcessor } from './order-processor.js';
import { OrderQueue } from './order-queue.js';
import { PauseQueueHandler } from './pause-queue/pause-queue.command.js';
import { ProcessingController } from './processing.controller.js';
import { HttpProcessor } from './processors/http-processor.js';
import { SimulatedProcessor } from './processors/simulated-processor.js';
import { QueueFiguresReader } from './queue-figures.js';
import { QueueGauges } from './queue-gauges.js';
import { QueuesController } from './queues.controller.js';
import { ReclaimOrders } from './reclaim-orders/reclaim-orders.js';
import { RedriveOrdersHandler } from './redrive-orders/redrive-orders.command.js';
import { ReportOutcomeHandler } from './report-outcome/report-outcome.command.js';
import { SettleAttempts } from './settle-attempts.js';
import { OrderWorker } from './work-orders/order-worker.js';
import { Verdicts } from './work-orders/verdicts.js';
import { WakeWorkers } from './work-orders/wake-workers.js';

@Module({
  imports: [OrdersModule],
  controllers: [ProcessingController, QueuesController],
  providers: [
    OrderQueue,
    EnqueueOrders,
    ClaimOrders,
    SettleAttempts,
    ReclaimOrders,
    ReportOutcomeHandler,
    Verdicts,
    OrderWorker,
    WakeWorkers,
    { provide: ORDER_PROCESSOR, useFactory: configuredProcessor, inject: [CONFIG] },
    QueueFiguresReader,
    QueueGauges,
    ListQueuesHandler,
    ListDeadOrdersHandler,
    PauseQueueHandler,
    DrainQueueHandler,
    RedriveOrdersHandler,
    CorrectQueuesHandler,
  ],
  exports: [OrderWorker],
})
export class ProcessingModule implements OnApplicationShutdown {
  constructor(@Inject(ORDER_PROCESSOR) private readonly processor: OrderProcessor) {}

  /** In place of the configured processor, one of a team's own, which may inject what its modules export. */
  static withProcessor(
    processor: Type<OrderProcessor>,
    imports: DynamicModule['imports'] = [],
  ): DynamicModule {
    return {
      module: ProcessingModule,
      imports,
      providers: [{ provide: ORDER_PROCESSOR, useClass: processor }],
    };
  }

  onApplicationShutdown(): void {
    this.processor.close?.();
  }
}

function configuredProcessor({ processing }: DaybookConfig): OrderProcessor {
  const { processor, processorUrl, processorSecret, ...config } = processing;
  if (processor !== 'http' || processorUrl === undefined || processorSecret === undefined)
    return new SimulatedProcessor({ failurePercent: config.simulatedFailurePercent });
  return new HttpProcessor({
    url: processorUrl,
    secret: processorSecret,
    callbackTimeoutSeconds: config.callbackTimeoutSeconds,
    connections: config.workerCount,
  });
}
