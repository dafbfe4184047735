import { Module } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';

import { GaugeReaders } from './gauge-readers.js';
import { Metrics } from './metrics.js';
import { PrometheusController } from './prometheus.controller.js';

@Module({
  imports: [DiscoveryModule],
  controllers: [PrometheusController],
  providers: [GaugeReaders, Metrics],
})
export class MetricsModule {}
