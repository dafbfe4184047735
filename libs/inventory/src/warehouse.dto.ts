import { ApiProperty } from '@nestjs/swagger';

import { Text, Whole } from '@daybook/platform';

import type { Warehouse } from './warehouse.entity.js';

export class WarehouseResponse {
  @Text(32, { example: 'north' })
  readonly code!: string;

  @Text(200, { example: 'Northern warehouse' })
  readonly name!: string;

  @Whole(0, 1000, { description: 'Stock is taken from the lowest first.', example: 200 })
  readonly priority!: number;

  @ApiProperty({ format: 'date-time' })
  readonly createdAt!: string;
}

export function toWarehouseResponse({ code, name, priority, createdAt }: Warehouse): WarehouseResponse {
  return { code, name, priority, createdAt: createdAt.toISOString() };
}
