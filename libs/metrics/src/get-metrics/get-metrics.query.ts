import { Inject } from '@nestjs/common';
import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import { DataSource, type EntityManager } from 'typeorm';

import { ORDER_STATUSES } from '@daybook/orders';
import { CONFIG, type DaybookConfig } from '@daybook/platform';

import { type Population, readClock, readPopulation, readQueue, readThroughput } from '../order-figures.js';
import type { MetricsResponse } from './get-metrics.dto.js';
import { MetricsSections } from './metrics-sections.js';

/** How Daybook is doing at this moment. */
export class GetMetrics extends Query<MetricsResponse> {}

/**
 * True to the order, and never dearer the more orders there are: what has been folded is some thousand rows at most, what
 * has not are the tallies of the last minute. All of it is read in one snapshot, in which each change is in the one or in
 * the other.
 */
@QueryHandler(GetMetrics)
export class GetMetricsHandler implements IQueryHandler<GetMetrics> {
  constructor(
    @Inject(DataSource) private readonly database: DataSource,
    @Inject(CONFIG) private readonly config: DaybookConfig,
    private readonly sections: MetricsSections,
  ) {}

  execute(): Promise<MetricsResponse> {
    return this.database.transaction('REPEATABLE READ', async (manager) => {
      await manager.query('SET TRANSACTION READ ONLY');
      return this.read(manager);
    });
  }

  private async read(manager: EntityManager): Promise<MetricsResponse> {
    const { now, today } = await readClock(this.config.businessTimezone, manager);
    const population = await readPopulation('all', manager);
    const { byPriority: _, confirmed: completed, ...rest } = await readThroughput(today, 'all', manager);
    const { queued, active, oldestQueuedSeconds } = await readQueue(population, manager);
    const { failed, retried, timedOut, averageMs, p50Ms, p95Ms, p99Ms } = rest;
    const times = { averageMs, p50Ms, p95Ms, p99Ms };
    return {
      asOf: now.toISOString(),
      businessDay: today,
      orders: countOrders(population),
      processing: { queued, active, completed, failed, retried, timedOut, ...times, oldestQueuedSeconds },
      ...(await this.sections.read(manager)),
    };
  }
}

function countOrders(population: Population): MetricsResponse['orders'] {
  const counts = ORDER_STATUSES.map((status) => {
    const ofPriorities = Object.values(population).map((byStatus) => byStatus[status]);
    return [status, ofPriorities.reduce((sum, count) => sum + count, 0)] as const;
  });
  return {
    total: counts.reduce((sum, [, count]) => sum + count, 0),
    byStatus: Object.fromEntries(counts) as MetricsResponse['orders']['byStatus'],
  };
}
