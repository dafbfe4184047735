export { type ExchangeOrder, type ExchangeOrderId } from './exchange-order.entity.js';
export {
  EXCHANGE_ORDER_STATUSES,
  type ExchangeOrderStatus,
  exchangeOrderStatusMachine,
} from './exchange-order-status.js';
export {
  type CancelOutcome,
  EXCHANGE_GATEWAY,
  type ExchangeGateway,
  type Finding,
  type PlacementOutcome,
} from './exchange-gateway.js';
export { ExchangeModule } from './exchange.module.js';
export type { ExecutionReport } from './execution-report.js';
export { EXECUTION_BUS, type ExecutionBus, PARTITIONS, type Stretch } from './execution-bus.js';
export { ExecutionConsumer } from './apply-executions/execution-consumer.js';
export { ExecutionReceiver } from './receive-executions/execution-receiver.js';
