import { ApiProperty, getSchemaPath } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayMinSize, IsArray } from 'class-validator';

import { ProblemDocument, Text } from '@daybook/platform';

import { OrderResponse } from '../order.dto.js';
import { PlaceOrderRequest } from '../place-order/place-order.dto.js';

export class BulkOrderRequest extends PlaceOrderRequest {
  @Text(255, { optional: true, description: 'As the Idempotency-Key header, for this row alone.' })
  readonly idempotencyKey?: string;
}

export class PlaceOrdersInBulkRequest {
  /** Rows are checked one by one, so that a bad row does not refuse the good ones. */
  @ApiProperty({
    type: 'array',
    items: { $ref: getSchemaPath(BulkOrderRequest) },
    minItems: 1,
    maxItems: 500,
  })
  @IsArray({ message: '$property must be a list of 1 to 500 orders' })
  @ArrayMinSize(1, { message: '$property must have at least 1 order' })
  @ArrayMaxSize(500, { message: '$property must have at most 500 orders' })
  readonly orders!: unknown[];
}

export class BulkResultResponse {
  @ApiProperty({ type: 'integer', description: 'The position of the row in the request.' })
  readonly index!: number;

  @ApiProperty({ type: 'integer', description: 'What POST /orders would have answered.', example: 201 })
  readonly status!: number;

  @ApiProperty({ required: false, description: 'True when the row had been placed before.' })
  readonly replayed?: boolean;

  @ApiProperty({ required: false, type: OrderResponse })
  readonly order?: OrderResponse;

  @ApiProperty({ type: ProblemDocument, required: false })
  readonly error?: ProblemDocument;
}

export class BulkResultsResponse {
  @ApiProperty({ type: [BulkResultResponse] })
  readonly results!: BulkResultResponse[];
}
