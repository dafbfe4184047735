import { ApiParam, ApiProperty } from '@nestjs/swagger';

import { Choice, Isin, Whole } from '@daybook/platform';

import {
  avgPriceCents,
  EXCHANGE_ORDER_TYPES,
  type ExchangeOrder,
  type ExchangeOrderType,
  leavesQuantity,
  MOST_PRICE_CENTS,
  MOST_QUANTITY,
  type Side,
  SIDES,
} from './exchange-order.entity.js';
import { EXCHANGE_ORDER_STATUSES, type ExchangeOrderStatus } from './exchange-order-status.js';

const EXCHANGE_ORDER_ID_EXAMPLE = { example: 'X20261120-00001', pattern: '^X[0-9]{8}-[0-9]{5,10}$' };

/** Documents the `id` in a route's path; Swagger UI fills its example in. */
export const ApiExchangeOrderId = () =>
  ApiParam({ name: 'id', schema: { type: 'string', ...EXCHANGE_ORDER_ID_EXAMPLE } });

export class ExchangeOrderResponse {
  @ApiProperty(EXCHANGE_ORDER_ID_EXAMPLE)
  readonly id!: string;

  @ApiProperty({ example: 'customer-7' })
  readonly customerId!: string;

  @ApiProperty({ type: String, nullable: true, example: 'plan-4711' })
  readonly clientOrderId!: string | null;

  @Choice(EXCHANGE_ORDER_STATUSES, { example: 'created' })
  readonly status!: ExchangeOrderStatus;

  @ApiProperty({
    type: String,
    nullable: true,
    example: null,
    description: 'Why it was rejected, expired or failed, or why it was not cancelled.',
  })
  readonly reason!: string | null;

  @Isin()
  readonly instrument!: string;

  @Choice(SIDES)
  readonly side!: Side;

  @Choice(EXCHANGE_ORDER_TYPES, { example: 'limit' })
  readonly type!: ExchangeOrderType;

  @Whole(1, MOST_QUANTITY, { example: 100 })
  readonly quantity!: number;

  @ApiProperty({
    type: 'integer',
    nullable: true,
    minimum: 1,
    maximum: MOST_PRICE_CENTS,
    example: 18950,
    description: 'Null for a market order.',
  })
  readonly limitPriceCents!: number | null;

  @Whole(0, MOST_QUANTITY, { example: 0, description: 'Filled so far.' })
  readonly cumQuantity!: number;

  @Whole(0, MOST_QUANTITY, { example: 100, description: 'Still open; 0 once the order has ended.' })
  readonly leavesQuantity!: number;

  @ApiProperty({
    type: 'integer',
    nullable: true,
    minimum: 1,
    maximum: MOST_PRICE_CENTS,
    example: null,
    description: 'Of the fills, rounded to a cent; null before the first.',
  })
  readonly avgPriceCents!: number | null;

  @ApiProperty({ format: 'date-time' })
  readonly placedAt!: string;

  @ApiProperty({ format: 'date-time' })
  readonly updatedAt!: string;

  @Whole(1, 2_147_483_647, { example: 1 })
  readonly version!: number;
}

export class ExchangeOrderTransitionsResponse {
  @Choice(EXCHANGE_ORDER_STATUSES)
  readonly status!: ExchangeOrderStatus;

  @Whole(1, 2_147_483_647, { example: 1 })
  readonly version!: number;

  @ApiProperty({
    enum: EXCHANGE_ORDER_STATUSES,
    isArray: true,
    description: 'What the caller may ask for now: `cancel_pending`, by DELETE, or nothing.',
  })
  readonly allowed!: readonly ExchangeOrderStatus[];
}

export function toExchangeOrderResponse(order: ExchangeOrder): ExchangeOrderResponse {
  return {
    id: order.id,
    customerId: order.customerId,
    clientOrderId: order.clientOrderId,
    status: order.status,
    reason: order.reason,
    instrument: order.instrument,
    side: order.side,
    type: order.type,
    quantity: order.quantity,
    limitPriceCents: order.limitPriceCents,
    cumQuantity: order.cumQuantity,
    leavesQuantity: leavesQuantity(order),
    avgPriceCents: avgPriceCents(order),
    placedAt: order.placedAt.toISOString(),
    updatedAt: order.updatedAt.toISOString(),
    version: order.version,
  };
}
