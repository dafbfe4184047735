import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';

import { isOperator, type Page, type RequestContext } from '@daybook/platform';

import { toOrderFilters } from '../order-filters.dto.js';
import { type OrderCount, OrderSearch } from '../order-search.js';
import type { Order } from '../order.entity.js';
import type { ListOrdersRequest } from './list-orders.dto.js';

/**
 * Orders by filters, sorted, a page at a time; a customer sees only their own.
 * @throws {ValidationFailed} for a range that ends before it begins, or a cursor that was made for another list
 * @throws {QueryTooBroad}
 */
export class ListOrders extends Query<Page<Order> & Partial<OrderCount>> {
  constructor(
    readonly input: ListOrdersRequest,
    readonly context: RequestContext,
  ) {
    super();
  }
}

@QueryHandler(ListOrders)
export class ListOrdersHandler implements IQueryHandler<ListOrders> {
  constructor(private readonly search: OrderSearch) {}

  async execute({ input, context }: ListOrders): Promise<Page<Order> & Partial<OrderCount>> {
    const { limit = 50, cursor, count, sort = 'newest' } = input;
    const filters = toOrderFilters(input, isOperator(context) ? null : context.actor);
    const page = await this.search.page(filters, sort, { cursor, limit });
    return count === undefined ? page : { ...page, ...(await this.search.count(filters, count)) };
  }
}
