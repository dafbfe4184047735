import { Inject } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { EntityManager } from 'typeorm';

import { toStoredNumber } from '@daybook/id-generator';
import {
  ALLOCATION_STRATEGY,
  type AllocationStrategy,
  type ProductStock,
  StockRepository,
} from '@daybook/inventory';
import {
  Answer,
  businessNow,
  DomainError,
  type GroupCommit,
  isOperator,
  type RequestContext,
  type WriteCommand,
  WritePath,
  type Written,
} from '@daybook/platform';

import { toOrderResponse } from '../order.dto.js';
import type { Order, OrderId } from '../order.entity.js';
import { unknownOrder } from '../order.errors.js';
import { OrderStatusChanged } from '../order.events.js';
import { OrdersRepository } from '../orders.repository.js';
import type { ChangeOrderStatusRequest } from './change-order-status.dto.js';
import { decideStatusChanges, type StatusChange } from './decide-status-changes.js';

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
    private readonly stock: StockRepository,
    private readonly orders: OrdersRepository,
    @Inject(ALLOCATION_STRATEGY) private readonly strategy: AllocationStrategy,
  ) {
    this.groupCommit = writePath.group<ChangeOrderStatus>((commands, manager) =>
      this.change(commands, manager),
    );
  }

  async execute(command: ChangeOrderStatus): Promise<Answer> {
    if (toStoredNumber(command.orderId) === undefined) throw unknownOrder(command.orderId);
    return this.groupCommit.submit(command);
  }

  /** Locks orders before stock, as every transaction that needs both must. */
  private async change(commands: readonly ChangeOrderStatus[], manager: EntityManager): Promise<Written> {
    const orderIds = commands.map(({ orderId }) => orderId as OrderId);
    const orders = await this.orders.lock(orderIds, manager);
    const products = await this.lockStockOf([...orders.values()], manager);
    const updatedAt = await businessNow(manager);
    const requests = commands.map(toRequest);
    const decide = (stock: typeof products) =>
      decideStatusChanges(requests, orders, stock, this.strategy, updatedAt);
    const decisions = await this.stock.decide(products, decide, manager);
    await this.write(decisions.filter(isChange), orders, updatedAt, manager);
    return {
      outcomes: decisions.map((decision) =>
        isChange(decision) ? Answer.versioned(toOrderResponse(decision.order)) : decision,
      ),
      events: decisions.flatMap((decision, index) =>
        isChange(decision) ? [toEvent(decision, commands[index] as ChangeOrderStatus)] : [],
      ),
    };
  }

  private lockStockOf(
    orders: readonly Order[],
    manager: EntityManager,
  ): Promise<ReadonlyMap<number, ProductStock>> {
    const productIds = new Set(orders.flatMap(({ lines }) => lines.map(({ productId }) => productId)));
    return this.stock.lockById([...productIds], manager);
  }

  private async write(
    changes: readonly StatusChange[],
    before: ReadonlyMap<string, Order>,
    updatedAt: Date,
    manager: EntityManager,
  ): Promise<void> {
    if (changes.length === 0) return;
    // An order that moved twice in this batch is written once, as it is after its last move.
    const after = new Map(changes.map(({ order }) => [order.id, order]));
    const versions = [...after.values()].map((order) => ({
      order,
      previousVersion: before.get(order.id)?.version as number,
    }));
    const allocatedAnew = changes
      .filter(({ isAllocatedAnew }) => isAllocatedAnew)
      .map(({ order }) => order.id);
    await this.orders.updateStatuses(versions, updatedAt, manager);
    await this.orders.replaceAllocations(
      [...new Set(allocatedAnew)].map((id) => after.get(id) as Order),
      manager,
    );
    await this.stock.applyChanges(
      changes.flatMap(({ stockChanges }) => stockChanges),
      manager,
    );
    await this.stock.recordMovements(
      changes.flatMap(({ movements }) => movements),
      updatedAt,
      manager,
    );
  }
}

function toRequest({ orderId, input, context, expectedVersion }: ChangeOrderStatus) {
  const customerId = isOperator(context) ? undefined : context.actor;
  return { orderId, to: input.status, expectedVersion, customerId };
}

function isChange(decision: StatusChange | DomainError): decision is StatusChange {
  return !(decision instanceof DomainError);
}

function toEvent({ from, order }: StatusChange, { input, context }: ChangeOrderStatus): OrderStatusChanged {
  return new OrderStatusChanged(order.id, order.version, order.updatedAt.toISOString(), context, {
    before: { status: from },
    after: { status: order.status },
    ...(input.reason !== undefined && { reason: input.reason }),
  });
}
