import { ApiParam, ApiProperty } from '@nestjs/swagger';

import { Cents, Currency, Flag, Sku, Text, Whole } from '@daybook/platform';

import type { Product } from './product.entity.js';

/** Documents the `sku` in a route's path; Swagger UI fills its example in. */
export const ApiSku = () => ApiParam({ name: 'sku', schema: { type: 'string', example: 'TEA-EARL-GREY' } });

export class ProductResponse {
  @Sku()
  readonly sku!: string;

  @Text(200, { example: 'Earl Grey, 100 g' })
  readonly name!: string;

  @Cents()
  readonly priceCents!: number;

  @Currency()
  readonly currency!: string;

  @Flag({ description: 'An inactive product cannot be ordered.' })
  readonly active!: boolean;

  @Whole(1, 2_147_483_647, { example: 1 })
  readonly version!: number;

  @ApiProperty({ format: 'date-time' })
  readonly createdAt!: string;

  @ApiProperty({ format: 'date-time' })
  readonly updatedAt!: string;
}

export function toProductResponse(product: Product): ProductResponse {
  const { sku, name, priceCents, currency, active, version, createdAt, updatedAt } = product;
  return {
    sku,
    name,
    priceCents,
    currency,
    active,
    version,
    createdAt: createdAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
  };
}
