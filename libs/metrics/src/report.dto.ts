import { ApiProperty } from '@nestjs/swagger';

import type { OrderPriority } from '@daybook/orders';

import { Count, Duration } from './figure-fields.js';
import type { Queue, Throughput, WithPriorities } from './order-figures.js';
import type { Report } from './report.js';

export class ThroughputResponse implements Throughput {
  @Count('Orders placed.', 480)
  readonly placed!: number;

  @Count('Orders confirmed.', 471)
  readonly confirmed!: number;

  @Count('Orders failed.', 1)
  readonly failed!: number;

  @Count('Attempts that took too long.', 1)
  readonly timedOut!: number;

  @Count('Attempts after which the order was put back into the queue, but those handed back.', 3)
  readonly retried!: number;

  @Duration('Mean time of an attempt, exact; null: there was none.', 2_013)
  readonly averageMs!: number | null;

  @Duration('Half of the attempts took no longer; to three digits, as all percentiles.', 1_980)
  readonly p50Ms!: number | null;

  @Duration('95 % took no longer.', 4_120)
  readonly p95Ms!: number | null;

  @Duration('99 % took no longer.', 6_530)
  readonly p99Ms!: number | null;
}

export class ThroughputByPriorityResponse implements Record<OrderPriority, ThroughputResponse> {
  @ApiProperty({ type: ThroughputResponse })
  readonly normal!: ThroughputResponse;

  @ApiProperty({ type: ThroughputResponse })
  readonly high!: ThroughputResponse;
}

export class TotalThroughputResponse extends ThroughputResponse implements WithPriorities<Throughput> {
  @ApiProperty({ type: ThroughputByPriorityResponse })
  readonly byPriority!: ThroughputByPriorityResponse;
}

export class ReportedQueueResponse implements Queue {
  @Count('Orders that waited.')
  readonly queued!: number;

  @Count('Orders that were being processed.', 10)
  readonly active!: number;

  @Duration('How long the one had waited that had waited longest; null: none waited.', 1)
  readonly oldestQueuedSeconds!: number | null;
}

export class ReportedQueueByPriorityResponse implements Record<OrderPriority, ReportedQueueResponse> {
  @ApiProperty({ type: ReportedQueueResponse })
  readonly normal!: ReportedQueueResponse;

  @ApiProperty({ type: ReportedQueueResponse })
  readonly high!: ReportedQueueResponse;
}

export class TotalQueueResponse extends ReportedQueueResponse implements WithPriorities<Queue> {
  @ApiProperty({ type: ReportedQueueByPriorityResponse })
  readonly byPriority!: ReportedQueueByPriorityResponse;
}

export class ReportResponse {
  @ApiProperty({ example: '42' })
  readonly id!: string;

  @ApiProperty({ format: 'date-time', description: 'The end of the report before.' })
  readonly from!: string;

  @ApiProperty({ format: 'date-time' })
  readonly to!: string;

  @ApiProperty({ description: 'What was committed since the report before; no change is in two reports.' })
  readonly interval!: TotalThroughputResponse;

  @ApiProperty({ description: 'Of the business day in which the interval ended.' })
  readonly sinceMidnight!: TotalThroughputResponse;

  @ApiProperty({ description: 'At the end of the interval.' })
  readonly queue!: TotalQueueResponse;
}

export function toReportResponse({ id, from, to, figures }: Report): ReportResponse {
  const { interval, sinceMidnight, queue } = figures;
  return { id, from: from.toISOString(), to: to.toISOString(), interval, sinceMidnight, queue };
}
