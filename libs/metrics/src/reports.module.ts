import { Module } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';

import { CorrectOrderCountsHandler } from './correct-order-counts/correct-order-counts.command.js';
import { FoldTallies } from './fold-tallies/fold-tallies.job.js';
import { GetLatestReportHandler } from './get-latest-report/get-latest-report.query.js';
import { GetMetricsHandler } from './get-metrics/get-metrics.query.js';
import { MetricsSections } from './get-metrics/metrics-sections.js';
import { ListReportsHandler } from './list-reports/list-reports.query.js';
import { MakeReport } from './make-report/make-report.job.js';
import { MetricsController } from './metrics.controller.js';
import { OrderGauges } from './order-gauges.js';
import { OrderTallies } from './order-tallies.js';
import { PurgeReports } from './purge-reports/purge-reports.job.js';
import { ReportsController } from './reports.controller.js';

/** What is counted in the database: tallies, totals and reports. */
@Module({
  imports: [DiscoveryModule],
  controllers: [MetricsController, ReportsController],
  providers: [
    OrderTallies,
    OrderGauges,
    MetricsSections,
    FoldTallies,
    MakeReport,
    PurgeReports,
    CorrectOrderCountsHandler,
    GetMetricsHandler,
    GetLatestReportHandler,
    ListReportsHandler,
  ],
})
export class ReportsModule {}
