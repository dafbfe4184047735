import { ApiProperty } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayMinSize, IsArray } from 'class-validator';

import { Items, Quantity, Sku, Text, TtlSeconds } from '@daybook/platform';

export class ReservationLineRequest {
  @Sku()
  readonly sku!: string;

  @Quantity()
  readonly quantity!: number;
}

export class ReserveStockRequest {
  @ApiProperty({ type: [ReservationLineRequest], minItems: 1, maxItems: 100, description: 'What to hold.' })
  @IsArray({ message: '$property must be a list of 1 to 100 lines' })
  @ArrayMinSize(1, { message: '$property must have at least 1 line' })
  @ArrayMaxSize(100, { message: '$property must have at most 100 lines' })
  @Items(() => ReservationLineRequest)
  readonly lines!: ReservationLineRequest[];

  @TtlSeconds({ optional: true, description: 'How long to hold it. Default: RESERVATION_TTL_SECONDS.' })
  readonly ttlSeconds?: number;

  @Text(255, { optional: true, description: 'Operators only: for whom. Default: the caller.' })
  readonly customerId?: string;
}
