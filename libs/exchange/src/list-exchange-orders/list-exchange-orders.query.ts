import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';

import {
  BoundedReads,
  CursorCodec,
  isOperator,
  type Page,
  type RequestContext,
  toPage,
} from '@daybook/platform';

import {
  type ExchangeOrder,
  type ExchangeOrderRow,
  storedId,
  toExchangeOrder,
} from '../exchange-order.entity.js';
import { EXCHANGE_ORDER_STATUSES } from '../exchange-order-status.js';
import type { ListExchangeOrdersRequest } from './list-exchange-orders.dto.js';
import { type ExchangeOrderFilters, listStatement } from './list-statement.js';

/**
 * Exchange orders by filters, newest first, a page at a time; a customer sees only their own.
 * @throws {ValidationFailed} for a cursor that was made for another list
 * @throws {QueryTooBroad}
 */
export class ListExchangeOrders extends Query<Page<ExchangeOrder>> {
  constructor(
    readonly input: ListExchangeOrdersRequest,
    readonly context: RequestContext,
  ) {
    super();
  }
}

@QueryHandler(ListExchangeOrders)
export class ListExchangeOrdersHandler implements IQueryHandler<ListExchangeOrders> {
  constructor(
    private readonly reads: BoundedReads,
    private readonly cursors: CursorCodec,
  ) {}

  async execute({ input, context }: ListExchangeOrders): Promise<Page<ExchangeOrder>> {
    const { limit = 50, cursor, status = [], instrument = null, side = null } = input;
    const filters: ExchangeOrderFilters = {
      owner: isOperator(context) ? null : context.actor,
      // In one order, so that a cursor fits however the client lists them.
      statuses: EXCHANGE_ORDER_STATUSES.filter((each) => status.includes(each)),
      instrument,
      side,
    };
    const list = { list: 'exchange-orders', ...filters };
    const before = cursor === undefined ? null : String(this.cursors.decode(list, cursor)[0]);
    const { text, values } = listStatement(filters, before, limit + 1);
    const rows = await this.reads.query<ExchangeOrderRow>(
      'exchange-orders/list',
      text,
      values,
      narrowing(filters),
    );
    const encode = this.cursors.encoderFor(list);
    return toPage(rows.map(toExchangeOrder), limit, ({ id }) => encode([storedId(id)]));
  }
}

/** The parameters that would leave less to look through, if there are any. */
function narrowing({ statuses, instrument, side }: ExchangeOrderFilters): string[] {
  const given = { status: statuses.length > 0, instrument: instrument !== null, side: side !== null };
  return Object.entries(given).flatMap(([name, isGiven]) => (isGiven ? [] : [name]));
}
