import { ApiProperty } from '@nestjs/swagger';

import { Text, Texts, Whole } from '@daybook/platform';

const ORDER_ID = /^\d{8}-(\d{5}|[1-9]\d{5,9})$/;
const ORDERS_AT_MOST = 1_000;

export class RedriveOrdersRequest {
  @Whole(1, ORDERS_AT_MOST, {
    optional: true,
    default: 100,
    description: 'How many are tried at most, the oldest first; without effect beside `orderIds`.',
  })
  readonly limit?: number;

  @Texts('order ids', ORDER_ID, ORDERS_AT_MOST, {
    optional: true,
    description: 'Only these orders.',
    example: ['20261120-00001'],
  })
  readonly orderIds?: readonly string[];

  @Text(500, {
    optional: true,
    description: 'Kept in the audit trail of each order.',
    example: 'The carrier is back',
  })
  readonly reason?: string;
}

export class LeftOrderResponse {
  @ApiProperty({ example: '20261120-00002' })
  readonly orderId!: string;

  @ApiProperty({
    example: 'insufficient_stock',
    description:
      'As `PATCH /orders/{id}` would refuse it, with the same members beside it; or `not_dead`; or `outcome_unknown`.',
  })
  readonly code!: string;

  @ApiProperty({ example: 'There is not enough stock: TEA-EARL-GREY: 2 requested, 1 available.' })
  readonly detail!: string;
}

export class RedrivenOrdersResponse {
  @ApiProperty({
    type: [String],
    example: ['20261120-00001'],
    description: 'These are pending again, in the order in which they were tried.',
  })
  readonly redriven!: readonly string[];

  @ApiProperty({
    type: [LeftOrderResponse],
    description:
      'These are as they were, except that of those with `outcome_unknown` nobody can tell: ask again for them.',
  })
  readonly left!: readonly LeftOrderResponse[];
}
