import { Inject } from '@nestjs/common';
import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import { DataSource } from 'typeorm';

import { isOperator, read, type RequestContext } from '@daybook/platform';

import {
  EXCHANGE_ORDER_COLUMNS,
  type ExchangeOrder,
  type ExchangeOrderRow,
  toExchangeOrder,
  toStoredId,
} from '../exchange-order.entity.js';
import { unknownExchangeOrder } from '../exchange-order.errors.js';

const GET = `SELECT ${EXCHANGE_ORDER_COLUMNS} FROM exchange_orders WHERE id = $1::bigint`;

/** One exchange order; a customer finds only their own. @throws {NotFound} */
export class GetExchangeOrder extends Query<ExchangeOrder> {
  constructor(
    readonly orderId: string,
    readonly context: RequestContext,
  ) {
    super();
  }
}

@QueryHandler(GetExchangeOrder)
export class GetExchangeOrderHandler implements IQueryHandler<GetExchangeOrder> {
  constructor(@Inject(DataSource) private readonly database: DataSource) {}

  async execute({ orderId, context }: GetExchangeOrder): Promise<ExchangeOrder> {
    const stored = toStoredId(orderId);
    if (stored === undefined) throw unknownExchangeOrder(orderId);
    const [row] = await read<ExchangeOrderRow>(this.database.manager, 'exchange-orders/get', GET, [stored]);
    const isTheirs = row !== undefined && (isOperator(context) || row.customerId === context.actor);
    if (!isTheirs) throw unknownExchangeOrder(orderId);
    return toExchangeOrder(row);
  }
}
