import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

import { type MovedOrder, type OrderMove, OrderMoves } from '@daybook/orders';
import { DomainError, NotFound, systemContext, together, WritePath } from '@daybook/platform';

import { type Claim, requestIdOf } from './attempt.js';
import { OrderQueue, type QueuedAttempt } from './order-queue.js';
import { rankOf } from './order-rank.js';
import { isQueuePaused } from './queue-pause.js';

export interface ClaimRequest {
  readonly count: number;
  /** So many of them are to be normal orders, whatever else waits. */
  readonly normalCount: number;
}

/** Takes orders from the queue and moves them to `processing`, both in one transaction. */
@Injectable()
export class ClaimOrders {
  constructor(
    private readonly writePath: WritePath,
    private readonly queue: OrderQueue,
    private readonly moves: OrderMoves,
  ) {}

  /** @returns the claimed orders in the order in which to start them; none while the queue is paused */
  claim(request: ClaimRequest): Promise<readonly Claim[]> {
    return this.writePath.change(async (manager) => {
      const attempts = await this.take(request, manager);
      if (attempts.length === 0) return { result: [], events: [] };
      // Whoever moves one of these orders right now may want its job next: to wait for the order would be a deadlock.
      const { outcomes, events, underWay } = await this.moves.apply(attempts.map(toMove), manager, {
        withLines: true,
        passOverLocked: true,
      });
      return {
        result: attempts.flatMap((attempt, index) => toClaim(attempt, outcomes[index])).toSorted(byTurn),
        events,
        underWay: together(underWay, this.giveUp(attempts, outcomes, manager)),
      };
    });
  }

  /** Orders that were passed over are others' for the moment; the rest has moved on, and there is nothing left to do. */
  private async giveUp(
    attempts: readonly QueuedAttempt[],
    outcomes: readonly (MovedOrder | DomainError)[],
    manager: EntityManager,
  ): Promise<void> {
    const isPassedOver = (_: QueuedAttempt, index: number) => outcomes[index] instanceof NotFound;
    const isObsolete = (attempt: QueuedAttempt, index: number) =>
      outcomes[index] instanceof DomainError && !isPassedOver(attempt, index);
    await together(
      this.queue.passOver(attempts.filter(isPassedOver), manager),
      this.queue.complete(attempts.filter(isObsolete), manager),
    );
  }

  private async take(
    { count, normalCount }: ClaimRequest,
    manager: EntityManager,
  ): Promise<readonly QueuedAttempt[]> {
    if (await isQueuePaused(manager)) return [];
    const normal = normalCount > 0 ? await this.queue.take(normalCount, manager, { onlyNormal: true }) : [];
    if (normal.length === count) return normal;
    return [...normal, ...(await this.queue.take(count - normal.length, manager))];
  }
}

function toMove(attempt: QueuedAttempt): OrderMove {
  const context = systemContext(requestIdOf(attempt));
  return { orderId: attempt.orderId, to: 'processing', context, attempt: { number: attempt.retryCount + 1 } };
}

function toClaim(attempt: QueuedAttempt, moved: MovedOrder | DomainError | undefined): Claim[] {
  if (moved === undefined || moved instanceof DomainError) return [];
  return [{ ...attempt, order: moved.order, version: moved.order.version }];
}

function byTurn(one: Claim, other: Claim): number {
  return rankOf(other.order) - rankOf(one.order);
}
