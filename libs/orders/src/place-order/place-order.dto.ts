import { ApiProperty } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayMinSize, IsArray, ValidateIf } from 'class-validator';

import { Choice, Items, Quantity, Sku, Text, UuidField, Whole } from '@daybook/platform';

import { ORDER_PRIORITIES, type OrderPriority } from '../order.entity.js';

export class OrderLineRequest {
  @Sku()
  readonly sku!: string;

  @Quantity()
  readonly quantity!: number;
}

export class PlaceOrderRequest {
  @ApiProperty({
    type: [OrderLineRequest],
    required: false,
    minItems: 1,
    maxItems: 100,
    description: 'What is ordered. Either this or `reservationId`.',
  })
  @ValidateIf(
    (request: PlaceOrderRequest) => request.reservationId === undefined || request.lines !== undefined,
  )
  @IsArray({ message: '$property must be a list of 1 to 100 lines, unless reservationId is given' })
  @ArrayMinSize(1, { message: '$property must have at least 1 line' })
  @ArrayMaxSize(100, { message: '$property must have at most 100 lines' })
  @Items(() => OrderLineRequest)
  readonly lines?: OrderLineRequest[];

  @UuidField({ optional: true, description: 'The reservation to consume; its lines become the order.' })
  readonly reservationId?: string;

  @Choice(ORDER_PRIORITIES, { optional: true, default: 'normal', example: 'normal' })
  readonly priority?: OrderPriority;

  @Text(64, { optional: true, description: 'Your own name for the order, unique per customer.' })
  readonly clientOrderId?: string;

  @Whole(0, 600_000, {
    optional: true,
    description: 'How long the simulated processor takes, in milliseconds. Refused while there is another.',
  })
  readonly processingTimeMs?: number;

  @Text(255, { optional: true, description: 'Operators only: whose order this is. Default: the caller.' })
  readonly customerId?: string;
}
