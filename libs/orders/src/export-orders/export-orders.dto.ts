import { ApiProperty } from '@nestjs/swagger';

import { Choice, CursorField } from '@daybook/platform';

import { OrderFiltersRequest } from '../order-filters.dto.js';
import { OrderResponse } from '../order.dto.js';

export const EXPORT_FORMATS = ['ndjson', 'csv'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

export class ExportOrdersRequest extends OrderFiltersRequest {
  @Choice(EXPORT_FORMATS, {
    optional: true,
    default: 'ndjson',
    description: '`ndjson`: a JSON object per line. `csv`: for spreadsheets. `Accept` is not looked at.',
  })
  readonly format?: ExportFormat;

  @CursorField(
    '`cursor` of the last row that arrived, or `nextCursor` of the list: goes on right behind it. A CSV then has no header row.',
  )
  readonly cursor?: string;
}

/** A row of an export. */
export class ExportedOrderResponse extends OrderResponse {
  @ApiProperty({ description: 'Goes on right behind this order, here and in the list.' })
  readonly cursor!: string;
}
