import { ApiProperty } from '@nestjs/swagger';

import { CursorField, Limit, Whole } from '@daybook/platform';

export class ListDeadOrdersRequest {
  @Limit()
  readonly limit?: number;

  @CursorField()
  readonly cursor?: string;
}

export class DeadOrderResponse {
  @ApiProperty({ example: '20261120-00001' })
  readonly orderId!: string;

  @Whole(1, Number.MAX_SAFE_INTEGER, { example: 3, description: 'How often it was tried.' })
  readonly attempts!: number;

  @ApiProperty({ example: 'The service answered 500.', description: 'How the last attempt ended.' })
  readonly reason!: string;

  @ApiProperty({ format: 'date-time' })
  readonly failedAt!: string;
}
