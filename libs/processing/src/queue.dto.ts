import { ApiParam, ApiProperty } from '@nestjs/swagger';

import { ORDER_PRIORITIES, type OrderPriority } from '@daybook/orders';
import { Choice, Whole } from '@daybook/platform';

import { ORDERS_QUEUE, type QueueName, QUEUES } from './queue-names.js';

const ANY_NUMBER = Number.MAX_SAFE_INTEGER;

/** Documents the `name` in a route's path. */
export const ApiQueueName = () =>
  ApiParam({ name: 'name', schema: { type: 'string', enum: [...QUEUES], example: ORDERS_QUEUE } });

export class QueueStateResponse {
  @Choice(QUEUES, { example: ORDERS_QUEUE })
  readonly name!: QueueName;

  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    example: null,
    description: 'Since when no worker takes an order; null: it is worked off.',
  })
  readonly pausedAt!: string | null;

  @ApiProperty({ type: String, nullable: true, example: null })
  readonly pausedBy!: string | null;
}

export class QueueShareResponse {
  @Choice(ORDER_PRIORITIES)
  readonly priority!: OrderPriority;

  @Whole(0, ANY_NUMBER, { example: 4 })
  readonly ready!: number;

  @Whole(0, ANY_NUMBER, { example: 1 })
  readonly retrying!: number;
}

export class QueueResponse extends QueueStateResponse {
  @Whole(0, ANY_NUMBER, { example: 5, description: 'Orders that lie in it and are with no worker.' })
  readonly depth!: number;

  @Whole(0, ANY_NUMBER, { example: 4, description: 'Of these, those that a free worker would start now.' })
  readonly ready!: number;

  @Whole(0, ANY_NUMBER, { example: 1, description: 'Of these, those that wait for their next attempt.' })
  readonly retrying!: number;

  @ApiProperty({
    type: [QueueShareResponse],
    description: 'The same by priority; empty for a queue that nobody works off.',
  })
  readonly byPriority!: readonly QueueShareResponse[];

  @Whole(0, ANY_NUMBER, {
    example: 3,
    description: 'Orders that are with a worker, or with a service that will call back.',
  })
  readonly active!: number;

  @Whole(0, ANY_NUMBER, { example: 2, description: 'Orders that left it because they failed.' })
  readonly dead!: number;

  @ApiProperty({
    type: 'integer',
    minimum: 0,
    nullable: true,
    example: 12,
    description: 'How long the order that lies in it for longest has done so; null when it is empty.',
  })
  readonly oldestSeconds!: number | null;
}

export class QueueListResponse {
  @ApiProperty({ type: [QueueResponse] })
  readonly data!: readonly QueueResponse[];
}

/** When and by whom a queue was paused, as the database has it. */
export interface QueueState {
  readonly name: QueueName;
  readonly pausedAt: Date | null;
  readonly pausedBy: string | null;
}

export const STATE_COLUMNS = `queue.name, queue.paused_at AS "pausedAt", queue.paused_by AS "pausedBy"`;

export function toQueueStateResponse({ name, pausedAt, pausedBy }: QueueState): QueueStateResponse {
  return { name, pausedAt: pausedAt?.toISOString() ?? null, pausedBy };
}
