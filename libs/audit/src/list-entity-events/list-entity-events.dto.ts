import { CursorField, Limit } from '@daybook/platform';

export class ListEntityEventsRequest {
  @Limit()
  readonly limit?: number;

  @CursorField()
  readonly cursor?: string;
}
