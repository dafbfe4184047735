import { CursorField, Limit, Text } from '@daybook/platform';

export class ListOrdersRequest {
  @Text(255, {
    optional: true,
    description: 'Only this customer. Customers see only their own orders in any case.',
  })
  readonly customerId?: string;

  @Limit()
  readonly limit?: number;

  @CursorField()
  readonly cursor?: string;
}
