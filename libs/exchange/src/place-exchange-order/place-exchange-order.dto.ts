import { Choice, Isin, Text, Whole } from '@daybook/platform';

import {
  EXCHANGE_ORDER_TYPES,
  type ExchangeOrderType,
  MOST_PRICE_CENTS,
  MOST_QUANTITY,
  type Side,
  SIDES,
} from '../exchange-order.entity.js';

export class PlaceExchangeOrderRequest {
  @Text(64, {
    optional: true,
    description: 'Your own name for the order, unique per customer. The venue is told it, too.',
  })
  readonly clientOrderId?: string;

  @Isin({ description: 'The ISIN of what is bought or sold.' })
  readonly instrument!: string;

  @Choice(SIDES)
  readonly side!: Side;

  @Choice(EXCHANGE_ORDER_TYPES, {
    description: 'At the best price there is, or at `limitPriceCents` or better.',
    example: 'limit',
  })
  readonly type!: ExchangeOrderType;

  @Whole(1, MOST_QUANTITY, { example: 100 })
  readonly quantity!: number;

  @Whole(1, MOST_PRICE_CENTS, {
    optional: true,
    example: 18950,
    description: 'Per piece. Required for a `limit` order, not allowed for a `market` order.',
  })
  readonly limitPriceCents?: number;
}
