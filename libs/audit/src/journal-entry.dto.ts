import { ApiProperty } from '@nestjs/swagger';

/** One row of the journal. */
export class JournalEntryResponse {
  @ApiProperty({ example: '42', description: 'Grows with every entry.' })
  readonly position!: string;

  @ApiProperty({ example: 'order.status_changed' })
  readonly type!: string;

  @ApiProperty({ format: 'date-time' })
  readonly occurredAt!: string;

  @ApiProperty({
    example: 'operator-1',
    description: 'The subject of the token that asked for the change; `daybook` is Daybook itself.',
  })
  readonly actor!: string;

  @ApiProperty()
  readonly requestId!: string;

  @ApiProperty({ example: 'order' })
  readonly entityType!: string;

  @ApiProperty({ example: '20261120-00001' })
  readonly entityId!: string;

  @ApiProperty({
    type: 'integer',
    nullable: true,
    description: 'The version the change made; null for an entity that has none.',
  })
  readonly version!: number | null;

  @ApiProperty({
    type: 'object',
    additionalProperties: true,
    description:
      '`before` and `after`, as far as they differ, the reason given, and the attempt to process an order.',
    example: {
      before: { status: 'pending' },
      after: { status: 'cancelled' },
      reason: 'The customer changed their mind',
    },
  })
  readonly data!: object;
}
