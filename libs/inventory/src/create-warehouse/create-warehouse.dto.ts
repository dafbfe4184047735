import { Text, WarehouseCode, Whole } from '@daybook/platform';

export class CreateWarehouseRequest {
  @WarehouseCode({ example: 'south' })
  readonly code!: string;

  @Text(200, { example: 'Southern warehouse' })
  readonly name!: string;

  @Whole(0, 1000, { optional: true, default: 100, description: 'Stock is taken from the lowest first.' })
  readonly priority?: number;
}
