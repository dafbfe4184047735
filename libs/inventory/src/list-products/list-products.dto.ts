import { CursorField, Limit, Sku, Text } from '@daybook/platform';

export class ListProductsRequest {
  @Sku({ optional: true, description: 'Only SKUs that begin like this.', example: 'TEA' })
  readonly sku?: string;

  @Text(100, {
    optional: true,
    description: 'Only products whose name contains this, in any case.',
    example: 'green',
  })
  readonly text?: string;

  @Limit()
  readonly limit?: number;

  @CursorField()
  readonly cursor?: string;
}
