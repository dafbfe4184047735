import { Controller, Get, Header } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { Registry } from 'prom-client';

import { OpenOnLoopback } from '@daybook/platform';

import { Metrics } from './metrics.js';

/** Outside the base path, where Prometheus looks for it, and in every process whatever its roles. */
@ApiExcludeController()
@OpenOnLoopback('operator')
@Controller('metrics')
export class PrometheusController {
  constructor(private readonly metrics: Metrics) {}

  @Get()
  @Header('content-type', Registry.PROMETHEUS_CONTENT_TYPE)
  read(): Promise<string> {
    return this.metrics.toPrometheus();
  }
}
