import { Module } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';

import { DatabasePoolMetrics } from './database-pool-metrics.js';
import { GaugeReaders } from './gauge-readers.js';
import { GroupCommitMetrics } from './group-commit-metrics.js';
import { HttpMetrics } from './http-metrics.js';
import { Metrics } from './metrics.js';
import { AttemptMetrics } from './attempt-metrics.js';
import { OrderMetrics } from './order-metrics.js';
import { PrometheusController } from './prometheus.controller.js';
import { ReservationMetrics } from './reservation-metrics.js';

@Module({
  imports: [DiscoveryModule],
  controllers: [PrometheusController],
  providers: [
    DatabasePoolMetrics,
    GaugeReaders,
    GroupCommitMetrics,
    HttpMetrics,
    Metrics,
    AttemptMetrics,
    OrderMetrics,
    ReservationMetrics,
  ],
})
export class MetricsModule {}
