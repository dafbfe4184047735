import { Choice, Choices, CursorField, Isin, Limit } from '@daybook/platform';

import { type Side, SIDES } from '../exchange-order.entity.js';
import { EXCHANGE_ORDER_STATUSES, type ExchangeOrderStatus } from '../exchange-order-status.js';

export class ListExchangeOrdersRequest {
  @Choices(EXCHANGE_ORDER_STATUSES, {
    optional: true,
    description: 'One of these; may be there several times.',
  })
  readonly status?: readonly ExchangeOrderStatus[];

  // Without an example, which Swagger UI would send along.
  @Isin({ optional: true, description: 'Only orders for this instrument.', example: undefined })
  readonly instrument?: string;

  @Choice(SIDES, { optional: true, description: 'Only orders of this side.' })
  readonly side?: Side;

  @Limit()
  readonly limit?: number;

  @CursorField()
  readonly cursor?: string;
}
