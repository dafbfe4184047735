import { ApiProperty } from '@nestjs/swagger';

import { NonZero, Sku, Text, WarehouseCode, Whole } from '@daybook/platform';

export class AdjustStockRequest {
  @Sku()
  readonly sku!: string;

  @WarehouseCode({ optional: true, default: 'main', example: 'main' })
  readonly warehouse?: string;

  @NonZero(1_000_000_000, { description: 'Positive: stock came in. Negative: it went out.', example: 100 })
  readonly quantityDelta!: number;

  @Text(200, {
    description: '`received` and `returned` are recorded as such, anything else as an adjustment.',
    example: 'received',
  })
  readonly reason!: string;
}

export class StockAdjustmentResponse {
  @ApiProperty({ example: '42' })
  readonly id!: string;

  @Sku()
  readonly sku!: string;

  @WarehouseCode()
  readonly warehouse!: string;

  @NonZero(1_000_000_000, { example: 100 })
  readonly quantityDelta!: number;

  @Text(200, { example: 'received' })
  readonly reason!: string;

  @Whole(0, Number.MAX_SAFE_INTEGER, { example: 100 })
  readonly onHand!: number;

  @Whole(0, Number.MAX_SAFE_INTEGER, { example: 0 })
  readonly reserved!: number;

  @Whole(0, Number.MAX_SAFE_INTEGER, { example: 0 })
  readonly allocated!: number;

  @Whole(0, Number.MAX_SAFE_INTEGER, { example: 100 })
  readonly available!: number;

  @ApiProperty({ format: 'date-time' })
  readonly occurredAt!: string;
}
