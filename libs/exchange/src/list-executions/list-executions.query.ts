import { type IQueryHandler, Query, QueryBus, QueryHandler } from '@nestjs/cqrs';

import { BoundedReads, CursorCodec, type Page, type RequestContext, toPage } from '@daybook/platform';

import { storedId } from '../exchange-order.entity.js';
import type { ExecutionType } from '../execution-report.js';
import { GetExchangeOrder } from '../get-exchange-order/get-exchange-order.query.js';
import type { ListExecutionsRequest } from './list-executions.dto.js';

/** What the venue has reported of an order, as far as it was applied. */
export interface Execution {
  readonly execId: string;
  readonly sequence: number;
  readonly type: ExecutionType;
  readonly quantity: number | null;
  readonly priceCents: number | null;
  readonly executedAt: Date;
}

const LIST = `
  SELECT exec_id AS "execId", sequence::float8, type, quantity::float8, price_cents::float8 AS "priceCents",
    executed_at AS "executedAt"
  FROM executions WHERE order_id = $1::bigint AND sequence > $2::bigint ORDER BY sequence LIMIT $3`;

/**
 * The executions of an order in the venue's sequence, a page at a time; a customer finds only those of their own.
 * @throws {NotFound} {ValidationFailed}
 */
export class ListExecutions extends Query<Page<Execution>> {
  constructor(
    readonly orderId: string,
    readonly input: ListExecutionsRequest,
    readonly context: RequestContext,
  ) {
    super();
  }
}

@QueryHandler(ListExecutions)
export class ListExecutionsHandler implements IQueryHandler<ListExecutions> {
  constructor(
    private readonly queries: QueryBus,
    private readonly reads: BoundedReads,
    private readonly cursors: CursorCodec,
  ) {}

  async execute({ orderId, input, context }: ListExecutions): Promise<Page<Execution>> {
    const { id } = await this.queries.execute(new GetExchangeOrder(orderId, context));
    const { limit = 50, cursor } = input;
    const list = { list: 'executions', id };
    const [after = 0] = cursor === undefined ? [] : this.cursors.decode(list, cursor);
    const rows = await this.reads.query<Execution>('executions/list', LIST, [storedId(id), after, limit + 1]);
    return toPage(rows, limit, ({ sequence }) => this.cursors.encode(list, [sequence]));
  }
}
