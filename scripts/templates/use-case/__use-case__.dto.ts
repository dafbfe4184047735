import { ApiProperty } from '@nestjs/swagger';

import { Text } from '@daybook/platform';

export class __UseCase__Request {
  @Text(500, { description: 'Kept in the audit trail.', example: 'The customer asked for it' })
  readonly reason!: string;
}

export class __UseCase__Response {
  @ApiProperty()
  readonly id!: string;

  @ApiProperty({ format: 'date-time' })
  readonly updatedAt!: string;
}
