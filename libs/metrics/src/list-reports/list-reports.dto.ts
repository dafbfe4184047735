import { CursorField, Limit } from '@daybook/platform';

export class ListReportsRequest {
  @Limit()
  readonly limit?: number;

  @CursorField()
  readonly cursor?: string;
}
