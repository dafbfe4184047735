import { type BeforeApplicationShutdown, Logger } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { EntityManager } from 'typeorm';

import {
  Answer,
  businessNow,
  DomainError,
  etag,
  type GroupCommit,
  isOperator,
  type Outcome,
  type RequestContext,
  together,
  type WriteCommand,
  WritePath,
  type Written,
} from '@daybook/platform';

import { toExchangeOrderResponse } from '../exchange-order.dto.js';
import { type ExchangeOrder, type ExchangeOrderId, storedId, toStoredId } from '../exchange-order.entity.js';
import { unknownExchangeOrder } from '../exchange-order.errors.js';
import { ExchangeOrderStatusChanged } from '../exchange-order.events.js';
import { ExchangeOrdersRepository } from '../exchange-orders.repository.js';
import { changesBetween, SettleExchangeOrders } from '../settle-exchange-orders.js';
import { Venue } from '../venue.js';
import { decideCancellation } from './decide-cancellation.js';

/**
 * Asks the venue to cancel an order. Answered as soon as the wish is committed; what becomes of it the venue tells by its
 * reports, and a fill may be faster.
 * @throws {NotFound} {VersionConflict} {IllegalTransition} {FateUnknown} {OtherVenue} {ExchangeNotConfigured}
 */
export class CancelExchangeOrder extends Command<Answer> implements WriteCommand {
  constructor(
    readonly orderId: string,
    readonly context: RequestContext,
    /** The version the caller has seen; undefined: whatever it is. */
    readonly expectedVersion?: number,
  ) {
    super();
  }
}

@CommandHandler(CancelExchangeOrder)
export class CancelExchangeOrderHandler
  implements ICommandHandler<CancelExchangeOrder>, BeforeApplicationShutdown
{
  private readonly logger = new Logger('Exchange');
  private readonly groupCommit: GroupCommit<CancelExchangeOrder, Answer>;
  /** What each command has written in its last transaction. */
  private readonly written = new WeakMap<CancelExchangeOrder, ExchangeOrder>();
  private readonly underWay = new Set<Promise<void>>();

  constructor(
    writePath: WritePath,
    private readonly venue: Venue,
    private readonly orders: ExchangeOrdersRepository,
    private readonly settlements: SettleExchangeOrders,
  ) {
    this.groupCommit = writePath.group<CancelExchangeOrder>('cancel-exchange-orders', (commands, manager) =>
      this.commit(commands, manager),
    );
  }

  async execute(command: CancelExchangeOrder): Promise<Answer> {
    if (toStoredId(command.orderId) === undefined) throw unknownExchangeOrder(command.orderId);
    this.venue.refuseIfThereIsNone();
    const answer = await this.groupCommit.submit(command);
    const order = this.written.get(command);
    if (order !== undefined) this.tellVenue(order, command.context);
    return answer;
  }

  /** So that nothing asks for a database that is closed. */
  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all(this.underWay);
  }

  private async commit(commands: readonly CancelExchangeOrder[], manager: EntityManager): Promise<Written> {
    const ids = [...new Set(commands.map(({ orderId }) => storedId(orderId as ExchangeOrderId)))];
    const locking = this.orders.lock(ids, manager);
    const clock = businessNow(manager);
    await together(locking, clock);
    const [before, now] = [await locking, await clock];
    const current = new Map(before);
    const events: ExchangeOrderStatusChanged[] = [];
    const outcomes = commands.map((command): Outcome<Answer> => {
      const { orderId, context, expectedVersion } = command;
      const customerId = isOperator(context) ? undefined : context.actor;
      const order = current.get(orderId);
      const wish = { orderId, venue: this.venue.name, expectedVersion, customerId };
      const decision = decideCancellation(wish, order, now);
      this.written.delete(command);
      if (decision instanceof DomainError) return decision;
      if (decision !== order) {
        events.push(new ExchangeOrderStatusChanged(decision, (order as ExchangeOrder).status, context));
        this.written.set(command, decision);
        current.set(orderId, decision);
      }
      const body = JSON.stringify(toExchangeOrderResponse(decision));
      return new Answer(202, body, { etag: etag(decision.version) });
    });
    return { outcomes, events, underWay: this.orders.update(changesBetween(before, current), manager) };
  }

  /** In the background. What is lost with this process, or came to nothing, is asked again by RecoverExchangeOrders. */
  private tellVenue(order: ExchangeOrder, context: RequestContext): void {
    const telling = this.cancel(order, context)
      .catch((error: unknown) => {
        const message = `The venue could not be asked to cancel order ${order.id}`;
        this.logger.warn({ err: error, orderId: order.id, message });
      })
      .finally(() => this.underWay.delete(telling));
    this.underWay.add(telling);
  }

  private async cancel(order: ExchangeOrder, context: RequestContext): Promise<void> {
    const outcome = await this.venue.inBackground(() => this.venue.cancel(order));
    if (outcome?.kind === 'unseen')
      await this.settlements.settle({ orderId: order.id, resolution: outcome, context });
  }
}
