import { Inject } from '@nestjs/common';
import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import { DataSource } from 'typeorm';

import { CursorCodec, type Page, toPage } from '@daybook/platform';

import { type DeadOrder } from '../order-queue.js';
import { DEAD_ORDERS_QUEUE } from '../queue-names.js';
import { refuseUnlessWorkedOff } from '../queue.errors.js';
import type { DeadOrderResponse, ListDeadOrdersRequest } from './dead-order.dto.js';

/** The orders that left a queue because they failed, oldest first, a page at a time. @throws {NotFound} {QueueNotWorkedOff} */
export class ListDeadOrders extends Query<Page<DeadOrderResponse>> {
  constructor(
    readonly name: string,
    readonly input: ListDeadOrdersRequest,
  ) {
    super();
  }
}

interface DeadJob {
  readonly id: string;
  readonly data: DeadOrder;
  readonly failedAt: Date;
  /** To the microsecond, for the cursor. */
  readonly position: string;
}

// All of them have the priority 0; to say so makes the index that pg-boss takes jobs from one of their age.
const READ = `
  SELECT id, data, created_on AS "failedAt", created_on::text AS position FROM pgboss.job
  WHERE name = '${DEAD_ORDERS_QUEUE}' AND state < 'active' AND NOT blocked AND priority = 0
    AND ($1::timestamptz IS NULL OR (created_on, id) > ($1::timestamptz, $2::uuid))
  ORDER BY created_on, id LIMIT $3`;

@QueryHandler(ListDeadOrders)
export class ListDeadOrdersHandler implements IQueryHandler<ListDeadOrders> {
  constructor(
    @Inject(DataSource) private readonly database: DataSource,
    private readonly cursors: CursorCodec,
  ) {}

  async execute({ name, input: { limit = 50, cursor } }: ListDeadOrders): Promise<Page<DeadOrderResponse>> {
    refuseUnlessWorkedOff(name);
    const list = { list: 'dead-orders', name };
    const [since = null, id = null] = cursor === undefined ? [] : this.cursors.decode(list, cursor);
    const rows = (await this.database.query(READ, [since, id, limit + 1])) as DeadJob[];
    const page = toPage(rows, limit, (last) => this.cursors.encode(list, [last.position, last.id]));
    return { ...page, data: page.data.map(toDeadOrderResponse) };
  }
}

function toDeadOrderResponse({ data, failedAt }: DeadJob): DeadOrderResponse {
  const { orderId, attempts, reason } = data;
  return { orderId, attempts, reason, failedAt: failedAt.toISOString() };
}
