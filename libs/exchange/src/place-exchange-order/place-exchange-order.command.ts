import { Inject, Logger } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { EntityManager } from 'typeorm';

import { fromStoredNumber, IdGenerator } from '@daybook/id-generator';
import {
  Answer,
  CONFIG,
  type DaybookConfig,
  DomainError,
  type GroupCommit,
  type IdempotencyClaim,
  type Outcome,
  ProvisionalAnswers,
  type RequestContext,
  ValidationFailed,
  type WriteCommand,
  WritePath,
  type Written,
} from '@daybook/platform';

import { EXCHANGE_ORDER_SERIES, type ExchangeOrder } from '../exchange-order.entity.js';
import { ClientOrderIdTaken } from '../exchange-order.errors.js';
import { ExchangeOrderPlaced } from '../exchange-order.events.js';
import { exchangeOrderStatusMachine } from '../exchange-order-status.js';
import { ExchangeOrderNumberTaken, ExchangeOrdersRepository } from '../exchange-orders.repository.js';
import { locationOf, provisionalAnswer } from '../placement-answer.js';
import { SettleExchangeOrders } from '../settle-exchange-orders.js';
import { Venue } from '../venue.js';
import { decideNames, NamedTwice, orderName } from './decide-names.js';
import type { PlaceExchangeOrderRequest } from './place-exchange-order.dto.js';

// Behind the deadline, until a repetition gives the other request up. Both are told 202 then, should that one be late.
const PATIENCE_MS = 2_000;

/**
 * Places an order at the venue: commits it as `pending`, asks the venue, commits what it said. The answer tells how that
 * went, and is remembered for the idempotency key, problems included. While the venue's word is missing it is 202; the order is then
 * looked after by RecoverExchangeOrders.
 * @throws {ValidationFailed} {ClientOrderIdTaken} {ExchangeNotConfigured} {Overloaded} with nothing done
 */
export class PlaceExchangeOrder extends Command<Answer> implements WriteCommand {
  constructor(
    readonly input: PlaceExchangeOrderRequest,
    readonly context: RequestContext,
    readonly idempotency?: IdempotencyClaim,
  ) {
    super();
  }
}

@CommandHandler(PlaceExchangeOrder)
export class PlaceExchangeOrderHandler implements ICommandHandler<PlaceExchangeOrder> {
  private readonly logger = new Logger('Exchange');
  private readonly groupCommit: GroupCommit<PlaceExchangeOrder, Answer>;
  /** What each command has written in its last transaction, which may have been rolled back. */
  private readonly written = new WeakMap<PlaceExchangeOrder, ExchangeOrder>();

  constructor(
    writePath: WritePath,
    private readonly venue: Venue,
    private readonly orders: ExchangeOrdersRepository,
    private readonly settlements: SettleExchangeOrders,
    private readonly answers: ProvisionalAnswers,
    private readonly idGenerator: IdGenerator,
    @Inject(CONFIG) private readonly config: DaybookConfig,
  ) {
    this.groupCommit = writePath.group<PlaceExchangeOrder>('place-exchange-orders', (commands, manager) =>
      this.commit(commands, manager),
    );
  }

  async execute(command: PlaceExchangeOrder): Promise<Answer> {
    refuseBadPrice(command.input);
    const answer = await this.venue.whenFree(() => this.place(command));
    const { idempotency } = command;
    if (!answer.isProvisional || !answer.isReplay || idempotency === undefined) return answer;
    return this.answers.finalFor(idempotency, answer, this.config.exchange.timeoutMs + PATIENCE_MS);
  }

  /** The final answer to whoever placed the order; a repetition gets what there is by now. */
  private async place(command: PlaceExchangeOrder): Promise<Answer> {
    const answer = await this.groupCommit.submit(command);
    const order = this.written.get(command);
    const isPlacing = order !== undefined && locationOf(order) === answer.location && answer.isProvisional;
    return isPlacing ? this.answers.expect(command.idempotency, this.send(order, command, answer)) : answer;
  }

  private async send(
    order: ExchangeOrder,
    { context, idempotency: placedUnder }: PlaceExchangeOrder,
    provisional: Answer,
  ): Promise<Answer> {
    const resolution = await this.venue.place(order);
    try {
      return await this.settlements.settle({ orderId: order.id, resolution, context, placedUnder });
    } catch (error) {
      // No time, or no database. The order is there, so "nothing was done" would be wrong; it is asked about later.
      if (!(error instanceof DomainError)) throw error;
      const message = `What the venue said of order ${order.id} could not be written down: ${error.message}`;
      this.logger.warn({ orderId: order.id, outcome: resolution.kind, message });
      return provisional;
    }
  }

  private async commit(commands: readonly PlaceExchangeOrder[], manager: EntityManager): Promise<Written> {
    const requests = commands.map(({ input, context }) => ({
      customerId: context.actor,
      clientOrderId: input.clientOrderId,
    }));
    const refusals = decideNames(requests, await this.findNames(requests, manager));
    const accepted = commands.filter((_, index) => refusals[index] === undefined);
    const orders = await this.number(accepted, manager);
    accepted.forEach((command, index) => this.written.set(command, orders[index] as ExchangeOrder));
    return {
      outcomes: commands.map((command, index) => this.toOutcome(command, refusals[index], commands)),
      events: orders.map(
        (order, index) => new ExchangeOrderPlaced(order, (accepted[index] as PlaceExchangeOrder).context),
      ),
      underWay: this.insert(orders, manager),
    };
  }

  private async findNames(
    requests: readonly { readonly customerId: string; readonly clientOrderId?: string | undefined }[],
    manager: EntityManager,
  ): Promise<Map<string, string>> {
    const keys = requests.flatMap(({ customerId, clientOrderId }) =>
      clientOrderId === undefined ? [] : [{ customerId, clientOrderId }],
    );
    const rows = await this.orders.findNamed(keys, manager);
    return new Map(
      rows.map(({ customerId, clientOrderId, stored }) => [
        orderName(customerId, clientOrderId),
        fromStoredNumber(stored, EXCHANGE_ORDER_SERIES.prefix),
      ]),
    );
  }

  /** Makes orders of the accepted commands: only they take numbers. */
  private async number(
    commands: readonly PlaceExchangeOrder[],
    manager: EntityManager,
  ): Promise<ExchangeOrder[]> {
    if (commands.length === 0) return [];
    const { numbers, at } = await this.idGenerator.issue(EXCHANGE_ORDER_SERIES, commands.length, manager);
    const placedAt = new Date(at);
    return commands.map(({ input, context }, index) => ({
      id: numbers[index] as ExchangeOrder['id'],
      customerId: context.actor,
      clientOrderId: input.clientOrderId ?? null,
      venue: this.venue.name,
      instrument: input.instrument,
      side: input.side,
      type: input.type,
      quantity: input.quantity,
      limitPriceCents: input.limitPriceCents ?? null,
      status: exchangeOrderStatusMachine.initial,
      reason: null,
      cumQuantity: 0,
      tradedCents: 0n,
      placedAt,
      updatedAt: placedAt,
      version: 1,
    }));
  }

  private async insert(orders: readonly ExchangeOrder[], manager: EntityManager): Promise<void> {
    try {
      await this.orders.insert(orders, manager);
    } catch (error) {
      if (error instanceof ExchangeOrderNumberTaken)
        this.idGenerator.distrust(EXCHANGE_ORDER_SERIES, (orders[0] as ExchangeOrder).id);
      throw error;
    }
  }

  private toOutcome(
    command: PlaceExchangeOrder,
    refusal: ClientOrderIdTaken | NamedTwice | undefined,
    commands: readonly PlaceExchangeOrder[],
  ): Outcome<Answer> {
    const orderOf = (each: PlaceExchangeOrder) => this.written.get(each) as ExchangeOrder;
    if (refusal === undefined) return provisionalAnswer(orderOf(command));
    if (refusal instanceof ClientOrderIdTaken) return refusal;
    const twin = orderOf(commands[refusal.index] as PlaceExchangeOrder);
    return new ClientOrderIdTaken(twin.clientOrderId as string, twin.id);
  }
}

/** @throws {ValidationFailed} */
function refuseBadPrice({ type, limitPriceCents }: PlaceExchangeOrderRequest): void {
  const path = 'limitPriceCents';
  if (type === 'limit' && limitPriceCents === undefined)
    throw new ValidationFailed([{ path, message: 'is required for a limit order' }]);
  if (type === 'market' && limitPriceCents !== undefined) {
    const message = 'is not allowed for a market order, which is filled at the best price there is';
    throw new ValidationFailed([{ path, message }]);
  }
}
