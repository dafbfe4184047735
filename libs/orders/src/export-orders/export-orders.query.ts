import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';

import {
  isOperator,
  outsideTraces,
  QueryTooBroad,
  type RequestContext,
  type StreamedFile,
} from '@daybook/platform';

import { toOrderFilters } from '../order-filters.dto.js';
import type { OrderFilters, OrderSort } from '../order-filters.js';
import { OrderSearch } from '../order-search.js';
import { toOrderResponse } from '../order.dto.js';
import type { Order } from '../order.entity.js';
import type { ExportedOrderResponse, ExportFormat, ExportOrdersRequest } from './export-orders.dto.js';
import { CSV_HEADER, toCsvRow } from './order-csv.js';

const ROWS_PER_PAGE = 500;
/** Of orders that are far between, so many are found where a whole page would take too long. */
const ROWS_WHEN_SPARSE = 50;

interface Format {
  readonly type: string;
  readonly header: string;
  readonly row: (order: ExportedOrderResponse) => string;
}

const FORMATS: Readonly<Record<ExportFormat, Format>> = {
  ndjson: { type: 'application/x-ndjson', header: '', row: (order) => `${JSON.stringify(order)}\n` },
  csv: { type: 'text/csv; charset=utf-8', header: CSV_HEADER, row: toCsvRow },
};

/**
 * All orders that fit, as a file. A customer gets only their own.
 * @throws {ValidationFailed} as the list does; a bad cursor shows with the first chunk
 * @throws {QueryTooBroad} with the first chunk, or with a later one
 */
export class ExportOrders extends Query<StreamedFile> {
  constructor(
    readonly input: ExportOrdersRequest,
    readonly context: RequestContext,
  ) {
    super();
  }
}

@QueryHandler(ExportOrders)
export class ExportOrdersHandler implements IQueryHandler<ExportOrders> {
  constructor(private readonly search: OrderSearch) {}

  async execute({ input, context }: ExportOrders): Promise<StreamedFile> {
    const { format = 'ndjson', sort = 'newest', cursor } = input;
    const filters = toOrderFilters(input, isOperator(context) ? null : context.actor);
    const { type, header, row } = FORMATS[format];
    const cursorOf = this.search.cursorsOf(filters, sort);
    const toText = (orders: readonly Order[]) =>
      orders.map((order) => row({ ...toOrderResponse(order), cursor: cursorOf(order) })).join('');
    // What goes on behind a cursor is put behind what is there already, which has a header row.
    const begin = cursor === undefined ? header : '';
    return {
      type,
      name: `orders-${new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '')}.${format}`,
      chunks: toChunks(this.pages(filters, sort, cursor), begin, toText),
    };
  }

  private async *pages(
    filters: OrderFilters,
    sort: OrderSort,
    start: string | undefined,
  ): AsyncGenerator<readonly Order[], void> {
    let limit = ROWS_PER_PAGE;
    let cursor: string | null | undefined = start;
    while (cursor !== null) {
      const place: { cursor: string | undefined; limit: number } = { cursor, limit };
      try {
        // A trace of thousands of statements would tell nobody anything.
        const page = await outsideTraces(() => this.search.page(filters, sort, place));
        yield page.data;
        cursor = page.nextCursor;
      } catch (error) {
        if (!(error instanceof QueryTooBroad) || limit === ROWS_WHEN_SPARSE) throw error;
        limit = ROWS_WHEN_SPARSE;
      }
    }
  }
}

/** A page is one chunk: many small ones would take longer to hand over than to make. */
async function* toChunks(
  pages: AsyncGenerator<readonly Order[], void>,
  begin: string,
  toText: (orders: readonly Order[]) => string,
): AsyncGenerator<Buffer, void> {
  let before = begin;
  for await (const orders of pages) {
    const text = before + toText(orders);
    before = '';
    if (text !== '') yield Buffer.from(text);
  }
}
