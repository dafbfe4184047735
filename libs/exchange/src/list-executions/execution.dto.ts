import { ApiProperty } from '@nestjs/swagger';

import { Choice } from '@daybook/platform';

import { MOST_PRICE_CENTS, MOST_QUANTITY } from '../exchange-order.entity.js';
import { EXECUTION_TYPES, type ExecutionType } from '../execution-report.js';
import type { Execution } from './list-executions.query.js';

export class ExecutionResponse {
  @ApiProperty({ example: 'E-4711', description: "The venue's name for it." })
  readonly execId!: string;

  @ApiProperty({ type: 'integer', minimum: 1, example: 815, description: "Its place in the venue's stream." })
  readonly sequence!: number;

  @Choice(EXECUTION_TYPES, { example: 'trade' })
  readonly type!: ExecutionType;

  @ApiProperty({
    type: 'integer',
    nullable: true,
    minimum: 1,
    maximum: MOST_QUANTITY,
    example: 40,
    description: 'How many were traded; null if it is no trade.',
  })
  readonly quantity!: number | null;

  @ApiProperty({
    type: 'integer',
    nullable: true,
    minimum: 1,
    maximum: MOST_PRICE_CENTS,
    example: 18945,
    description: 'At which price each; null if it is no trade.',
  })
  readonly priceCents!: number | null;

  @ApiProperty({ format: 'date-time', description: "By the venue's clock." })
  readonly executedAt!: string;
}

export function toExecutionResponse({
  execId,
  sequence,
  type,
  quantity,
  priceCents,
  executedAt,
}: Execution): ExecutionResponse {
  return { execId, sequence, type, quantity, priceCents, executedAt: executedAt.toISOString() };
}
