import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

import {
  type Answer,
  businessNow,
  DomainError,
  type GroupCommit,
  type IdempotencyClaim,
  IdempotencyStore,
  type Outcome,
  together,
  type WriteCommand,
  WritePath,
  type Written,
} from '@daybook/platform';

import { decideSettlement, type Resolution } from './decide-settlement.js';
import { type ExchangeOrder, type ExchangeOrderId, storedId } from './exchange-order.entity.js';
import { unknownExchangeOrder } from './exchange-order.errors.js';
import { ExchangeOrderStatusChanged } from './exchange-order.events.js';
import { ExchangeOrdersRepository } from './exchange-orders.repository.js';
import { placementAnswer } from './placement-answer.js';

/** What the venue has told of an order. */
export interface Settlement extends WriteCommand {
  readonly orderId: ExchangeOrderId;
  readonly resolution: Resolution;
  /** The key under which the order was placed, by whoever waits for the answer: it is replaced by the final one. */
  readonly placedUnder?: IdempotencyClaim | undefined;
}

/** Writes down what the venue has told, many orders in a transaction. */
@Injectable()
export class SettleExchangeOrders {
  private readonly groupCommit: GroupCommit<Settlement, Answer>;

  constructor(
    writePath: WritePath,
    private readonly orders: ExchangeOrdersRepository,
    private readonly idempotency: IdempotencyStore,
  ) {
    this.groupCommit = writePath.group<Settlement>(
      'settle-exchange-orders',
      (settlements, manager) => this.write(settlements, manager),
      // The second time the order is found settled, and its key answered.
      { isRepeatable: true },
    );
  }

  /**
   * @returns what the order's client is to be told: by how the order stands now, or what was told already
   * @throws {DomainError} when it could not be written now
   */
  settle(settlement: Omit<Settlement, 'idempotency'>): Promise<Answer> {
    return this.groupCommit.submit(settlement);
  }

  private async write(settlements: readonly Settlement[], manager: EntityManager): Promise<Written> {
    const ids = [...new Set(settlements.map(({ orderId }) => storedId(orderId)))];
    const locking = this.orders.lock(ids, manager);
    const recovering = this.orders.findAsked(ids, manager);
    const clock = businessNow(manager);
    await together(locking, recovering, clock);
    const [before, recovered, now] = [await locking, await recovering, await clock];
    const current = new Map(before);
    const events: ExchangeOrderStatusChanged[] = [];
    const answers = settlements.map(({ orderId, resolution, context }): Outcome<Answer> => {
      const order = current.get(orderId);
      if (order === undefined) return unknownExchangeOrder(orderId);
      const settled = decideSettlement(order, resolution, recovered.has(storedId(orderId)), now);
      if (settled !== order) events.push(new ExchangeOrderStatusChanged(settled, order.status, context));
      current.set(orderId, settled);
      return placementAnswer(settled, context);
    });
    let outcomes: readonly Outcome<Answer>[] = answers;
    const concluded = this.conclude(settlements, answers, manager).then((told) => (outcomes = told));
    await together(this.orders.update(changesBetween(before, current), manager), concluded);
    return { outcomes, events };
  }

  /** Each answer becomes that of its key, unless the key has a final one. */
  private async conclude(
    settlements: readonly Settlement[],
    answers: readonly Outcome<Answer>[],
    manager: EntityManager,
  ): Promise<Outcome<Answer>[]> {
    const keyed = settlements.flatMap(({ placedUnder }, index) => {
      const answer = answers[index];
      if (placedUnder === undefined || answer === undefined || answer instanceof DomainError) return [];
      return [{ index, claim: placedUnder, answer }];
    });
    const areFinal = await this.idempotency.conclude(manager, keyed);
    const late = keyed.filter((_, position) => areFinal[position] === false);
    const stored = await this.idempotency.find(
      manager,
      late.map(({ claim }) => claim),
    );
    const told = new Map(late.map(({ index }, position) => [index, stored[position]]));
    return answers.map((answer, index) => told.get(index) ?? answer);
  }
}

/** What has to be written of orders that were locked as `before`. */
export function changesBetween(
  before: ReadonlyMap<string, ExchangeOrder>,
  after: ReadonlyMap<string, ExchangeOrder>,
): { order: ExchangeOrder; previousVersion: number }[] {
  return [...after].flatMap(([id, order]) => {
    const previous = before.get(id);
    return previous === undefined || previous === order ? [] : [{ order, previousVersion: previous.version }];
  });
}
