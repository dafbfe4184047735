import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

import {
  type MovedOrder,
  type OrderMove,
  OrderMoves,
  type OrderStatus,
  toOrderStatusResponse,
} from '@daybook/orders';
import {
  Answer,
  CONFIG,
  type DaybookConfig,
  DomainError,
  type GroupCommit,
  type RequestContext,
  together,
  type WriteCommand,
  WritePath,
  type Written,
} from '@daybook/platform';

import type { HeldAttempt, Verdict } from './attempt.js';
import { OrderQueue } from './order-queue.js';

/** Ends an attempt: the order moves on, and its job with it. */
export interface Settlement extends WriteCommand {
  readonly attempt: HeldAttempt;
  readonly verdict: Verdict;
}

/** What becomes of a job. */
type Ending = 'done' | 'retry-later' | 'retry-now' | 'put-back' | 'bury';

const STATUSES: Readonly<Record<Ending, OrderStatus>> = {
  done: 'confirmed',
  'retry-later': 'pending',
  'retry-now': 'pending',
  'put-back': 'pending',
  bury: 'failed',
};

/** Settles attempts, many in a transaction. */
@Injectable()
export class SettleAttempts {
  private readonly groupCommit: GroupCommit<Settlement, Answer>;

  constructor(
    writePath: WritePath,
    private readonly queue: OrderQueue,
    private readonly moves: OrderMoves,
    @Inject(CONFIG) private readonly config: DaybookConfig,
  ) {
    this.groupCommit = writePath.group<Settlement>('settle-attempts', (settlements, manager) =>
      this.write(settlements, manager),
    );
  }

  /** @throws {DomainError} a refusal: the attempt does not hold its order any more, and nothing was done */
  settle(attempt: HeldAttempt, verdict: Verdict, context: RequestContext): Promise<Answer> {
    return this.groupCommit.submit({ attempt, verdict, context });
  }

  private async write(settlements: readonly Settlement[], manager: EntityManager): Promise<Written> {
    const endings = settlements.map((settlement) => this.endingOf(settlement));
    const moves = settlements.map((settlement, index) => toMove(settlement, endings[index] as Ending));
    const { outcomes, events, underWay } = await this.moves.apply(moves, manager);
    const ended = (ending: Ending) =>
      settlements.filter(
        (_, index) => endings[index] === ending && !(outcomes[index] instanceof DomainError),
      );
    const attempts = (ending: Ending) => ended(ending).map(({ attempt }) => attempt);
    const dead = ended('bury').map(({ attempt, verdict }) => ({
      ...attempt,
      reason: verdict.reason ?? verdict.outcome,
    }));
    return {
      outcomes: outcomes.map(toOutcome),
      events,
      underWay: together(
        underWay,
        this.queue.complete(attempts('done'), manager),
        this.queue.retryLater(attempts('retry-later'), manager),
        this.queue.retryNow(attempts('retry-now'), manager),
        this.queue.putBack(attempts('put-back'), manager),
        this.queue.bury(dead, manager),
      ),
    };
  }

  private endingOf({ attempt, verdict }: Settlement): Ending {
    const isLastAttempt = attempt.retryCount + 1 >= this.config.processing.attempts;
    switch (verdict.outcome) {
      case 'confirmed':
        return 'done';
      case 'refused':
        return 'bury';
      case 'handed_back':
        return 'put-back';
      case 'failed':
      case 'timed_out':
        return isLastAttempt ? 'bury' : 'retry-later';
      case 'abandoned':
        return isLastAttempt ? 'bury' : 'retry-now';
    }
  }
}

function toMove({ attempt, verdict, context }: Settlement, ending: Ending): OrderMove {
  const { reason, outcome, durationMs } = verdict;
  return {
    orderId: attempt.orderId,
    to: STATUSES[ending],
    expectedVersion: attempt.version,
    context,
    reason,
    attempt: {
      number: attempt.retryCount + 1,
      outcome,
      ...(durationMs !== undefined && { durationMs: Math.round(durationMs) }),
    },
  };
}

function toOutcome(moved: MovedOrder | DomainError): Answer | DomainError {
  if (moved instanceof DomainError) return moved;
  return Answer.versioned(toOrderStatusResponse(moved.order));
}
