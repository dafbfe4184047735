import { Controller, Get } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';

import { ApiErrors, Roles } from '@daybook/platform';

import { ApiMetrics } from './get-metrics/get-metrics.dto.js';
import { GetMetrics } from './get-metrics/get-metrics.query.js';

/** Its whole path, because `metrics` alone is that of the metrics for Prometheus, outside the base path. */
@ApiTags('Operations')
@ApiBearerAuth()
@Roles('operator')
@Controller('api/v1/metrics')
export class MetricsController {
  constructor(private readonly queries: QueryBus) {}

  @Get()
  @ApiOperation({ summary: 'Read how orders, processing and reservations are doing' })
  @ApiMetrics()
  @ApiErrors()
  read() {
    return this.queries.execute(new GetMetrics());
  }
}
