import { ApiProperty } from '@nestjs/swagger';

import { Whole } from '@daybook/platform';

export class DrainQueueRequest {
  @Whole(0, 60, { optional: true, default: 30, description: 'How long to wait at most.' })
  readonly waitSeconds?: number;
}

export class DrainedQueueResponse {
  @ApiProperty({ example: true, description: 'No order is with a worker, and none will be started.' })
  readonly drained!: boolean;

  @Whole(0, Number.MAX_SAFE_INTEGER, { example: 0, description: 'Orders that are still being processed.' })
  readonly active!: number;
}
