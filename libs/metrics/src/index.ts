export {
  CorrectOrderCounts,
  type OrderCountDrift,
} from './correct-order-counts/correct-order-counts.command.js';
export { MetricsModule } from './metrics.module.js';
export { ReportsModule } from './reports.module.js';
