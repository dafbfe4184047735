import { ApiProperty } from '@nestjs/swagger';

import { Sku, WarehouseCode } from '@daybook/platform';

export class WarehouseStockResponse {
  @WarehouseCode({ example: 'main' })
  readonly warehouse!: string;

  @ApiProperty({ type: 'integer', example: 100 })
  readonly onHand!: number;

  @ApiProperty({ type: 'integer', example: 0 })
  readonly reserved!: number;

  @ApiProperty({ type: 'integer', example: 2 })
  readonly allocated!: number;

  @ApiProperty({ type: 'integer', example: 98 })
  readonly available!: number;
}

export class StockResponse {
  @Sku()
  readonly sku!: string;

  @ApiProperty({ type: 'integer', description: 'In the warehouses.', example: 100 })
  readonly onHand!: number;

  @ApiProperty({ type: 'integer', description: 'Held by open reservations.', example: 0 })
  readonly reserved!: number;

  @ApiProperty({ type: 'integer', description: 'Promised to open orders.', example: 2 })
  readonly allocated!: number;

  @ApiProperty({ type: 'integer', description: 'onHand - reserved - allocated.', example: 98 })
  readonly available!: number;

  @ApiProperty({ type: [WarehouseStockResponse] })
  readonly warehouses!: WarehouseStockResponse[];
}
