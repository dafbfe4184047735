import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

import {
  ALLOCATION_STRATEGY,
  type AllocationStrategy,
  type ProductStock,
  StockRepository,
} from '@daybook/inventory';
import { businessNow, DomainError, type EventOrigin, together } from '@daybook/platform';

import { stockEffect } from '../order-status.js';
import type { Order, OrderId } from '../order.entity.js';
import { type Circumstances, OrderStatusChanged } from '../order.events.js';
import { OrdersRepository } from '../orders.repository.js';
import { decideStatusChanges, type StatusChange, type StatusChangeRequest } from './decide-status-changes.js';

/** One wish to move an order along its state machine, and who is behind it. */
export interface OrderMove extends StatusChangeRequest, Circumstances {
  readonly context: EventOrigin;
}

/** An order after its move, and the event that tells of it. */
export interface MovedOrder {
  readonly order: Order;
  readonly event: OrderStatusChanged;
}

export interface AppliedMoves {
  /** For each move, in their order, the order after it or why it was refused. */
  readonly outcomes: readonly (MovedOrder | DomainError)[];
  /** Of the moves that were not refused. The caller owes them to the journal. */
  readonly events: readonly OrderStatusChanged[];
  /** The statements that write the moves, issued and not waited for: wait for them before the commit. */
  readonly underWay: Promise<void>;
}

/**
 * Moves orders inside a transaction that may do more than that: claims and settles jobs, for example. Give-backs,
 * shipments and new allocations of stock go with the moves.
 */
@Injectable()
export class OrderMoves {
  constructor(
    private readonly stock: StockRepository,
    private readonly orders: OrdersRepository,
    @Inject(ALLOCATION_STRATEGY) private readonly strategy: AllocationStrategy,
  ) {}

  /**
   * Locks orders before stock, as every transaction that needs both must.
   * @param options `withLines`: every order is needed with its lines, not only those whose stock is affected.
   *   `passOverLocked`: an order that another transaction holds is refused as not found, instead of waiting for it
   */
  async apply(
    moves: readonly OrderMove[],
    manager: EntityManager,
    options: { readonly withLines?: boolean; readonly passOverLocked?: boolean } = {},
  ): Promise<AppliedMoves> {
    const { orders, now } = await this.lock(moves, manager, options);
    const affected = withStockAffected(moves, orders);
    if (options.withLines !== true) await this.orders.loadLines(affected, manager);
    const products = await this.lockStockOf(affected, manager);
    // Behind the last lock: what somebody else did to the stock while this waited for it happened before.
    const updatedAt = affected.length === 0 ? now : await businessNow(manager);
    const decide = (stock: typeof products) =>
      decideStatusChanges(moves, orders, stock, this.strategy, updatedAt);
    const decisions = await this.stock.decide(products, decide, manager);
    const outcomes = decisions.map((decision, index) =>
      isChange(decision) ? toMovedOrder(decision, moves[index] as OrderMove) : decision,
    );
    return {
      outcomes,
      events: outcomes.flatMap((outcome) => (outcome instanceof DomainError ? [] : [outcome.event])),
      underWay: this.write(decisions.filter(isChange), orders, updatedAt, manager),
    };
  }

  /** Everything that needs no answer of another statement travels together. */
  private async lock(
    moves: readonly OrderMove[],
    manager: EntityManager,
    { withLines = false, passOverLocked = false },
  ): Promise<{ orders: Map<string, Order>; now: Date }> {
    const ids = [...new Set(moves.map(({ orderId }) => orderId as OrderId))];
    const locked = this.orders.lock(ids, manager, { passOverLocked });
    const lines = this.orders.readLines(withLines ? ids : [], manager);
    const now = businessNow(manager);
    await together(locked, lines, now);
    const orders = await locked;
    for (const [id, ofOrder] of await lines) {
      const order = orders.get(id);
      if (order !== undefined) order.lines = ofOrder;
    }
    return { orders, now: await now };
  }

  private async lockStockOf(
    orders: readonly Order[],
    manager: EntityManager,
  ): Promise<ReadonlyMap<number, ProductStock>> {
    if (orders.length === 0) return new Map();
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
    await together(
      this.orders.updateStatuses(versions, updatedAt, manager),
      this.orders.replaceAllocations(
        [...new Set(allocatedAnew)].map((id) => after.get(id) as Order),
        manager,
      ),
      this.stock.applyChanges(
        changes.flatMap(({ stockChanges }) => stockChanges),
        manager,
      ),
      this.stock.recordMovements(
        changes.flatMap(({ movements }) => movements),
        updatedAt,
        manager,
      ),
    );
  }
}

/**
 * The orders whose stock some of these moves may affect. A second move of an order in one batch starts from where the first
 * one took it, so what it affects is not known yet: such an order counts as affected.
 */
function withStockAffected(moves: readonly OrderMove[], orders: ReadonlyMap<string, Order>): Order[] {
  const movesByOrder = Map.groupBy(moves, ({ orderId }) => orderId);
  return [...orders.values()].filter((order) => {
    const [first, ...others] = movesByOrder.get(order.id) ?? [];
    return others.length > 0 || (first !== undefined && stockEffect(order.status, first.to) !== 'none');
  });
}

function toMovedOrder({ order, from }: StatusChange, move: OrderMove): MovedOrder {
  return { order, event: new OrderStatusChanged(order, from, move.context, move) };
}

function isChange(decision: StatusChange | DomainError): decision is StatusChange {
  return !(decision instanceof DomainError);
}
