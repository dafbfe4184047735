import { applyDecorators } from '@nestjs/common';
import { ApiExtraModels, ApiOkResponse, ApiProperty, getSchemaPath } from '@nestjs/swagger';

import { ORDER_STATUSES, type OrderStatus } from '@daybook/orders';

import { Count, Duration } from '../figure-fields.js';

export class OrderMetrics {
  @Count('All orders that were ever placed, also those whose month was detached.', 15_230)
  readonly total!: number;

  @ApiProperty({
    type: 'object',
    required: [...ORDER_STATUSES],
    properties: Object.fromEntries(ORDER_STATUSES.map((status) => [status, { type: 'integer', minimum: 0 }])),
    description: 'How many are in each status now.',
  })
  readonly byStatus!: Readonly<Record<OrderStatus, number>>;
}

export class ProcessingMetrics {
  @Count('Orders that wait to be processed now.')
  readonly queued!: number;

  @Count('Orders that are being processed now.', 10)
  readonly active!: number;

  @Count('Orders confirmed since midnight.', 4_711)
  readonly completed!: number;

  @Count('Orders failed since midnight.', 3)
  readonly failed!: number;

  @Count(
    'Attempts since midnight after which the order was put back into the queue, but those handed back.',
    8,
  )
  readonly retried!: number;

  @Count('Attempts since midnight that took too long.', 2)
  readonly timedOut!: number;

  @Duration('Mean time of an attempt since midnight, exact; null: there was none.', 2_013)
  readonly averageMs!: number | null;

  @Duration('Half of the attempts since midnight took no longer; to three digits, as all percentiles.', 1_980)
  readonly p50Ms!: number | null;

  @Duration('95 % took no longer.', 4_120)
  readonly p95Ms!: number | null;

  @Duration('99 % took no longer.', 6_530)
  readonly p99Ms!: number | null;

  @Duration('How long the order has waited that has waited longest; null: none waits.', 1)
  readonly oldestQueuedSeconds!: number | null;
}

/** Beside these, a section for each module that declares one: `reservations`, for example. */
export interface MetricsResponse {
  readonly asOf: string;
  /** `2026-11-20` */
  readonly businessDay: string;
  readonly orders: OrderMetrics;
  readonly processing: ProcessingMetrics;
}

/** Documents the metrics. By hand, because no class can have the sections that modules add. */
export const ApiMetrics = () =>
  applyDecorators(
    ApiExtraModels(OrderMetrics, ProcessingMetrics),
    ApiOkResponse({
      description:
        'All of it at one moment; beside `orders` and `processing` a section of each module that has one.',
      schema: {
        type: 'object',
        required: ['asOf', 'businessDay', 'orders', 'processing'],
        properties: {
          asOf: { type: 'string', format: 'date-time' },
          businessDay: { type: 'string', pattern: '^\\d{4}-\\d\\d-\\d\\d$', example: '2026-11-20' },
          orders: { $ref: getSchemaPath(OrderMetrics) },
          processing: { $ref: getSchemaPath(ProcessingMetrics) },
        },
        additionalProperties: {
          type: 'object',
          additionalProperties: { type: 'number' },
          example: { active: 17 },
        },
      },
    }),
  );
