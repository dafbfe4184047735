import { CursorField, Instant, Limit, Text } from '@daybook/platform';

export class ListAuditRequest {
  @Text(100, { optional: true, description: 'Only this kind of entity: `order`, `reservation`, `product` …' })
  readonly entityType?: string;

  @Text(255, { optional: true, description: 'Only this entity; found faster together with `entityType`.' })
  readonly entityId?: string;

  @Text(255, {
    optional: true,
    description: 'Only what this token subject did; `daybook` is Daybook itself.',
  })
  readonly actor?: string;

  @Text(100, { optional: true, description: 'Only this type of change, such as `stock.adjusted`.' })
  readonly type?: string;

  @Instant({ optional: true, description: 'Only what occurred then or later.' })
  readonly from?: Date;

  @Instant({ optional: true, description: 'Only what occurred before.' })
  readonly to?: Date;

  @Limit()
  readonly limit?: number;

  @CursorField()
  readonly cursor?: string;
}
