import { CursorField, Limit } from '@daybook/platform';

export class ListWarehousesRequest {
  @Limit()
  readonly limit?: number;

  @CursorField()
  readonly cursor?: string;
}
