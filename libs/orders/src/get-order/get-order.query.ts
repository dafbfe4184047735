import { Inject } from '@nestjs/common';
import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import { DataSource } from 'typeorm';

import { toStoredNumber } from '@daybook/id-generator';
import { isOperator, type RequestContext } from '@daybook/platform';

import { Order, type OrderId } from '../order.entity.js';
import { unknownOrder } from '../order.errors.js';
import { OrdersRepository } from '../orders.repository.js';

/** One order with its lines; a customer finds only their own. @throws {NotFound} */
export class GetOrder extends Query<Order> {
  constructor(
    readonly orderId: string,
    readonly context: RequestContext,
  ) {
    super();
  }
}

@QueryHandler(GetOrder)
export class GetOrderHandler implements IQueryHandler<GetOrder> {
  constructor(
    @Inject(DataSource) private readonly database: DataSource,
    private readonly orders: OrdersRepository,
  ) {}

  async execute({ orderId, context }: GetOrder): Promise<Order> {
    if (toStoredNumber(orderId) === undefined) throw unknownOrder(orderId);
    const { manager } = this.database;
    const owner = isOperator(context) ? {} : { customerId: context.actor };
    const order = await manager.findOneBy(Order, { id: orderId as OrderId, ...owner });
    if (!order) throw unknownOrder(orderId);
    await this.orders.loadLines([order], manager);
    return order;
  }
}
