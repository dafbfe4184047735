import { Cents, Currency, Sku, Text } from '@daybook/platform';

export class CreateProductRequest {
  @Sku({ example: 'TEA-WHITE-50' })
  readonly sku!: string;

  @Text(200, { example: 'White tea, 50 g' })
  readonly name!: string;

  @Cents({ example: 1890 })
  readonly priceCents!: number;

  @Currency({ optional: true })
  readonly currency?: string;
}
