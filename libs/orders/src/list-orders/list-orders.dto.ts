import { Choice, CursorField, Limit } from '@daybook/platform';

import { OrderFiltersRequest } from '../order-filters.dto.js';

export class ListOrdersRequest extends OrderFiltersRequest {
  @Limit()
  readonly limit?: number;

  @CursorField()
  readonly cursor?: string;

  @Choice(['exact', 'estimated'], {
    optional: true,
    description: 'Adds `total`, and `totalAccuracy`: what takes too long to be counted is estimated.',
  })
  readonly count?: 'exact' | 'estimated';
}
