import { Inject } from '@nestjs/common';
import { Command, CommandBus, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { DataSource } from 'typeorm';

import {
  Answer,
  DomainError,
  fingerprint,
  type GroupCommit,
  type IdempotencyClaim,
  IdempotencyStore,
  inTransaction,
  parseInput,
  type RequestContext,
  toProblem,
  type WriteCommand,
  WritePath,
} from '@daybook/platform';

import { PlaceOrder } from '../place-order/place-order.command.js';
import { BulkOrderRequest, type PlaceOrdersInBulkRequest } from './place-orders-in-bulk.dto.js';

const SINGLE_ORDER_ROUTE = 'POST /api/v1/orders';

/** Places up to 500 orders, each on its own: the answer has one result per row, in order. */
export class PlaceOrdersInBulk extends Command<Answer> implements WriteCommand {
  constructor(
    readonly input: PlaceOrdersInBulkRequest,
    readonly context: RequestContext,
    readonly idempotency?: IdempotencyClaim,
  ) {
    super();
  }
}

/** The finished answer of a bulk, to be remembered under the bulk's own key. */
interface FinishedBulk extends WriteCommand {
  readonly answer: Answer;
}

type RowResult = { readonly answer: Answer } | { readonly refusal: DomainError };

@CommandHandler(PlaceOrdersInBulk)
export class PlaceOrdersInBulkHandler implements ICommandHandler<PlaceOrdersInBulk> {
  private readonly finished: GroupCommit<FinishedBulk, Answer>;

  constructor(
    writePath: WritePath,
    private readonly commands: CommandBus,
    private readonly idempotency: IdempotencyStore,
    @Inject(DataSource) private readonly database: DataSource,
  ) {
    this.finished = writePath.single<FinishedBulk>('finish-bulk', async ({ answer }) => ({
      answer,
      events: [],
    }));
  }

  /**
   * Rows without a key of their own get one made from the bulk's key. So a bulk that was interrupted half way can be
   * repeated: rows that were placed are answered again, the others are placed.
   */
  async execute({ input, context, idempotency }: PlaceOrdersInBulk): Promise<Answer> {
    if (idempotency !== undefined) {
      const [known] = await inTransaction(this.database, (manager) =>
        this.idempotency.find(manager, [idempotency]),
      );
      if (known instanceof DomainError) throw known;
      if (known !== undefined) return known;
    }
    const results = await Promise.all(
      input.orders.map((row, index) => this.placeRow(row, index, context, idempotency)),
    );
    const answer = new Answer(200, toBody(results, context));
    const isComplete = results.every((result) => !('refusal' in result) || result.refusal.status < 500);
    return idempotency !== undefined && isComplete
      ? this.finished.submit({ context, idempotency, answer })
      : answer;
  }

  private async placeRow(
    row: unknown,
    index: number,
    context: RequestContext,
    bulk: IdempotencyClaim | undefined,
  ): Promise<RowResult> {
    try {
      const { idempotencyKey, ...order } = parseInput(BulkOrderRequest, row, `orders[${index}]`);
      const key = idempotencyKey ?? (bulk && `${bulk.key}/${index}`);
      const claim =
        key === undefined
          ? undefined
          : {
              caller: context.actor,
              key,
              fingerprint: fingerprint(SINGLE_ORDER_ROUTE, order),
            };
      return { answer: await this.commands.execute(new PlaceOrder(order, context, claim)) };
    } catch (error) {
      if (error instanceof DomainError) return { refusal: error };
      throw error;
    }
  }
}

/** The rows' bodies are JSON already: they are put together, not parsed and written again. */
function toBody(results: readonly RowResult[], { requestId }: RequestContext): string {
  const rows = results.map((result, index) => {
    if ('answer' in result) {
      const { status, body, isReplay } = result.answer;
      return `{"index":${index},"status":${status},"replayed":${isReplay},"order":${body}}`;
    }
    const error = toProblem(result.refusal, { url: '/api/v1/orders/bulk', id: requestId });
    return JSON.stringify({ index, status: error.status, error });
  });
  return `{"results":[${rows.join()}]}`;
}
