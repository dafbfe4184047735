import { Cents, Flag, Text } from '@daybook/platform';

export class ChangeProductRequest {
  @Text(200, { optional: true, example: 'Earl Grey, 100 g tin' })
  readonly name?: string;

  @Cents({ optional: true, example: 1450 })
  readonly priceCents?: number;

  @Flag({ optional: true, description: 'false takes the product off sale.' })
  readonly active?: boolean;
}
