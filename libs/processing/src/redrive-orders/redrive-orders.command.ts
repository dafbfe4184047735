import { Inject } from '@nestjs/common';
import { Command, CommandBus, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { DataSource } from 'typeorm';

import { ChangeOrderStatus, type OrderId } from '@daybook/orders';
import { DomainError, OutcomeUnknown, type RequestContext } from '@daybook/platform';

import { jobIdOf } from '../order-queue.js';
import { DEAD_ORDERS_QUEUE } from '../queue-names.js';
import { OrderNotDead, refuseUnlessWorkedOff } from '../queue.errors.js';
import type {
  LeftOrderResponse,
  RedriveOrdersRequest,
  RedrivenOrdersResponse,
} from './redrive-orders.dto.js';

// No more than one transaction takes, so that the orders of one are decided in this order: the oldest gets scarce stock.
const ORDERS_AT_ONCE = 100;

/**
 * Starts dead orders afresh, each on its own and with stock allocated anew: they are pending again, with all their
 * attempts before them. To repeat it is safe: what is pending already is not dead any more.
 * @throws {NotFound} {QueueNotWorkedOff}
 */
export class RedriveOrders extends Command<RedrivenOrdersResponse> {
  constructor(
    readonly name: string,
    readonly input: RedriveOrdersRequest,
    readonly context: RequestContext,
  ) {
    super();
  }
}

// What this demands beside the queue is what the index demands that has them by age.
const READ_OLDEST = `
  SELECT data ->> 'orderId' AS "orderId" FROM pgboss.job
  WHERE name = '${DEAD_ORDERS_QUEUE}' AND state < 'active' AND NOT blocked AND priority = 0
  ORDER BY created_on, id LIMIT $1`;

// And this demands less, or that index might be read from end to end. A dead job is never anything else.
const READ_WANTED = `
  SELECT data ->> 'orderId' AS "orderId" FROM pgboss.job
  WHERE name = '${DEAD_ORDERS_QUEUE}' AND id = ANY($1::uuid[])
  ORDER BY created_on, id`;

@CommandHandler(RedriveOrders)
export class RedriveOrdersHandler implements ICommandHandler<RedriveOrders> {
  constructor(
    private readonly commands: CommandBus,
    @Inject(DataSource) private readonly database: DataSource,
  ) {}

  async execute({ name, input, context }: RedriveOrders): Promise<RedrivenOrdersResponse> {
    refuseUnlessWorkedOff(name);
    const dead = await this.findDead(input);
    const redriven: string[] = [];
    const left = findMissing(input.orderIds ?? [], dead).map((orderId) =>
      toLeftOrder(orderId, new OrderNotDead(orderId)),
    );
    for (let first = 0; first < dead.length; first += ORDERS_AT_ONCE) {
      const orderIds = dead.slice(first, first + ORDERS_AT_ONCE);
      const refusals = await Promise.all(orderIds.map((id) => this.redrive(id, input.reason, context)));
      for (const [index, orderId] of orderIds.entries()) {
        const refusal = refusals[index];
        if (refusal === undefined) redriven.push(orderId);
        else left.push(toLeftOrder(orderId, refusal));
      }
    }
    return { redriven, left };
  }

  private async findDead({ orderIds, limit = 100 }: RedriveOrdersRequest): Promise<string[]> {
    const read =
      orderIds === undefined
        ? this.database.query(READ_OLDEST, [limit])
        : this.database.query(READ_WANTED, [orderIds.map((id) => jobIdOf(id as OrderId))]);
    const rows = (await read) as { orderId: string }[];
    return rows.map(({ orderId }) => orderId);
  }

  /** @returns why the order is not among those that were redriven; undefined when it is */
  private async redrive(
    orderId: string,
    reason: string | undefined,
    context: RequestContext,
  ): Promise<DomainError | undefined> {
    const input = { status: 'pending', ...(reason !== undefined && { reason }) } as const;
    try {
      await this.commands.execute(new ChangeOrderStatus(orderId, input, context));
      return undefined;
    } catch (error) {
      // Somebody else has moved it, its stock is sold, there was no time for it, or nobody can tell: the others go on.
      if (error instanceof DomainError) return error;
      throw error;
    }
  }
}

function findMissing(wanted: readonly string[], found: readonly string[]): string[] {
  const known = new Set(found);
  return [...new Set(wanted)].filter((orderId) => !known.has(orderId));
}

function toLeftOrder(orderId: string, refusal: DomainError): LeftOrderResponse {
  const { message: detail, details } = refusal;
  // Under its own code it would look as if nothing had been done.
  const code = refusal instanceof OutcomeUnknown ? 'outcome_unknown' : refusal.code;
  return { ...details, orderId, code, detail };
}
