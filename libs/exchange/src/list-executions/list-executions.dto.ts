import { CursorField, Limit } from '@daybook/platform';

export class ListExecutionsRequest {
  @Limit()
  readonly limit?: number;

  @CursorField()
  readonly cursor?: string;
}
