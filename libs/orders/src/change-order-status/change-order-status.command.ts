import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { EntityManager } from 'typeorm';

import { toStoredNumber } from '@daybook/id-generator';
import {
  Answer,
  DomainError,
  type GroupCommit,
  isOperator,
  type RequestContext,
  type WriteCommand,
  WritePath,
  type Written,
} from '@daybook/platform';

import { toOrderResponse } from '../order.dto.js';
import { unknownOrder } from '../order.errors.js';
import type { ChangeOrderStatusRequest } from './change-order-status.dto.js';
import { type OrderMove, OrderMoves } from './order-moves.js';

/**
 * Moves an order along its state machine; cancelling and failing give stock back, shipping consumes it.
 * @throws {IllegalTransition} {VersionConflict} {NotFound} {Forbidden} {InsufficientStock}
 */
export class ChangeOrderStatus extends Command<Answer> implements WriteCommand {
  constructor(
    readonly orderId: string,
    readonly input: ChangeOrderStatusRequest,
    readonly context: RequestContext,
    /** The version the caller has seen; undefined: whatever it is. */
    readonly expectedVersion?: number,
  ) {
    super();
  }
}

@CommandHandler(ChangeOrderStatus)
export class ChangeOrderStatusHandler implements ICommandHandler<ChangeOrderStatus> {
  private readonly groupCommit: GroupCommit<ChangeOrderStatus, Answer>;

  constructor(
    writePath: WritePath,
    private readonly moves: OrderMoves,
  ) {
    this.groupCommit = writePath.group<ChangeOrderStatus>('change-order-status', (commands, manager) =>
      this.change(commands, manager),
    );
  }

  async execute(command: ChangeOrderStatus): Promise<Answer> {
    if (toStoredNumber(command.orderId) === undefined) throw unknownOrder(command.orderId);
    return this.groupCommit.submit(command);
  }

  private async change(commands: readonly ChangeOrderStatus[], manager: EntityManager): Promise<Written> {
    const moves = commands.map(toMove);
    const { outcomes, events, underWay } = await this.moves.apply(moves, manager, { withLines: true });
    return {
      outcomes: outcomes.map((outcome) =>
        outcome instanceof DomainError ? outcome : Answer.versioned(toOrderResponse(outcome.order)),
      ),
      events,
      underWay,
    };
  }
}

function toMove({ orderId, input, context, expectedVersion }: ChangeOrderStatus): OrderMove {
  const customerId = isOperator(context) ? undefined : context.actor;
  return { orderId, to: input.status, expectedVersion, customerId, context, reason: input.reason };
}
