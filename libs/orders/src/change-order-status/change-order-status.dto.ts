import { Choice, Text } from '@daybook/platform';

import { ORDER_STATUSES, type OrderStatus } from '../order-status.js';

export class ChangeOrderStatusRequest {
  @Choice(ORDER_STATUSES, {
    description: 'Where the order shall move; see its transitions.',
    example: 'cancelled',
  })
  readonly status!: OrderStatus;

  @Text(500, {
    optional: true,
    description: 'Kept in the audit trail.',
    example: 'The customer changed their mind',
  })
  readonly reason?: string;
}
