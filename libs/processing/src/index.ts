export { CorrectQueues } from './correct-queues/correct-queues.command.js';
export { ORDERS_WITHOUT_JOB, SURPLUS_JOBS } from './correct-queues/queue-drift.js';
export {
  type AttemptContext,
  type Deferred,
  ORDER_PROCESSOR,
  type OrderProcessor,
  ProcessingRefused,
} from './order-processor.js';
export { DEAD_ORDERS_QUEUE, ORDERS_QUEUE } from './queue-names.js';
export { ProcessingModule } from './processing.module.js';
export { OrderWorker } from './work-orders/order-worker.js';
export { setUpQueues } from './queue-setup.js';
