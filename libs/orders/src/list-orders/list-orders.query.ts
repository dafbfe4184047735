import { Inject } from '@nestjs/common';
import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import { DataSource } from 'typeorm';

import { toStoredNumber } from '@daybook/id-generator';
import { CursorCodec, isOperator, type Page, type RequestContext, toPage } from '@daybook/platform';

import { Order } from '../order.entity.js';
import { OrdersRepository } from '../orders.repository.js';
import type { ListOrdersRequest } from './list-orders.dto.js';

/** Orders, newest first, a page at a time; a customer sees only their own. */
export class ListOrders extends Query<Page<Order>> {
  constructor(
    readonly input: ListOrdersRequest,
    readonly context: RequestContext,
  ) {
    super();
  }
}

@QueryHandler(ListOrders)
export class ListOrdersHandler implements IQueryHandler<ListOrders> {
  constructor(
    @Inject(DataSource) private readonly database: DataSource,
    private readonly orders: OrdersRepository,
    private readonly cursors: CursorCodec,
  ) {}

  async execute({ input: { customerId, limit = 50, cursor }, context }: ListOrders): Promise<Page<Order>> {
    const owner = isOperator(context) ? null : context.actor;
    const list = { list: 'orders', owner, customerId: customerId ?? null };
    const { manager } = this.database;
    const query = manager
      .createQueryBuilder(Order, 'placed')
      .orderBy('placed.id', 'DESC')
      .take(limit + 1);
    if (owner !== null) query.andWhere('placed.customer_id = :owner', { owner });
    if (customerId !== undefined) query.andWhere('placed.customer_id = :customerId', { customerId });
    if (cursor !== undefined) {
      const [after] = this.cursors.decode(list, cursor);
      query.andWhere('placed.id < :after', { after: toStoredNumber(String(after)) });
    }
    const page = toPage(await query.getMany(), limit, (last) => this.cursors.encode(list, [last.id]));
    await this.orders.loadLines(page.data, manager);
    return page;
  }
}
