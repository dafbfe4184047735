import { ApiProperty } from '@nestjs/swagger';

import { Text, Whole } from '@daybook/platform';

import type { __Singular__ } from './__singular__.entity.js';

export class __Singular__Response {
  @ApiProperty({ type: 'integer', example: 1 })
  readonly id!: number;

  @Text(200, { example: 'The first one' })
  readonly name!: string;

  @Whole(1, 2_147_483_647)
  readonly version!: number;

  @ApiProperty({ format: 'date-time' })
  readonly createdAt!: string;
}

export function to__Singular__Response({ id, name, version, createdAt }: __Singular__): __Singular__Response {
  return { id, name, version, createdAt: createdAt.toISOString() };
}
