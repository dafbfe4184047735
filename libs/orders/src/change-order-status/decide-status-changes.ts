import {
  type AllocationStrategy,
  InsufficientStock,
  type ProductStock,
  type StockChange,
  StockLedger,
  type StockMovement,
} from '@daybook/inventory';
import { DomainError, Forbidden, VersionConflict } from '@daybook/platform';

import { orderStatusMachine, type OrderStatus, stockEffect } from '../order-status.js';
import type { Order } from '../order.entity.js';
import { unknownOrder } from '../order.errors.js';

/** One wish to move an order. */
export interface StatusChangeRequest {
  readonly orderId: string;
  readonly to: OrderStatus;
  /** Undefined: whatever version it is at. */
  readonly expectedVersion?: number | undefined;
  /** The customer that asks; undefined for an operator, who may move every order. */
  readonly customerId?: string | undefined;
}

/** One accepted move: the order as it is afterwards, and what the move does to its stock. */
export interface StatusChange {
  readonly from: OrderStatus;
  readonly order: Order;
  readonly stockChanges: readonly StockChange[];
  readonly movements: readonly StockMovement[];
  readonly isAllocatedAnew: boolean;
}

/**
 * Decides a batch of moves in their order of arrival: a second move of the same order sees the first. Pure.
 * @param orders locked, by id; one that is missing does not exist
 * @param products the stock of all products of these orders, locked, by product id
 * @param updatedAt the moment of the batch, by the database clock
 */
export function decideStatusChanges(
  requests: readonly StatusChangeRequest[],
  orders: ReadonlyMap<string, Order>,
  products: ReadonlyMap<number, ProductStock>,
  strategy: AllocationStrategy,
  updatedAt: Date,
): (StatusChange | DomainError)[] {
  const ledger = new StockLedger(products.values());
  const current = new Map(orders);
  return requests.map((request) => {
    const order = current.get(request.orderId);
    if (order === undefined) return unknownOrder(request.orderId);
    const refusal = findRefusal(request, order);
    if (refusal !== undefined) return refusal;
    const change = move(order, request.to, ledger, strategy, updatedAt);
    if (!(change instanceof DomainError)) current.set(order.id, change.order);
    return change;
  });
}

function findRefusal(request: StatusChangeRequest, order: Order): DomainError | undefined {
  const { customerId, expectedVersion, to } = request;
  if (customerId !== undefined) {
    if (order.customerId !== customerId) return unknownOrder(request.orderId);
    if (to !== 'cancelled') return new Forbidden('Customers can only cancel their orders.');
  }
  if (expectedVersion !== undefined && expectedVersion !== order.version)
    return new VersionConflict(order.version);
  return orderStatusMachine.isAllowed(order.status, to)
    ? undefined
    : orderStatusMachine.refusal(order.status, to);
}

function move(
  order: Order,
  to: OrderStatus,
  ledger: StockLedger,
  strategy: AllocationStrategy,
  updatedAt: Date,
): StatusChange | DomainError {
  const moved = { ...order, status: to, version: order.version + 1, updatedAt };
  const change = {
    from: order.status,
    order: moved,
    stockChanges: [],
    movements: [],
    isAllocatedAnew: false,
  };
  switch (stockEffect(order.status, to)) {
    case 'none':
      return change;
    case 'give-back': {
      for (const { productId, warehouseId, quantity } of claimsOf(order))
        ledger.giveBack(productId, warehouseId, quantity);
      return {
        ...change,
        stockChanges: claimsOf(order).map((claim) => ({ ...claim, allocatedDelta: -claim.quantity })),
      };
    }
    case 'ship':
      return {
        ...change,
        stockChanges: claimsOf(order).map((claim) => ({
          ...claim,
          allocatedDelta: -claim.quantity,
          onHandDelta: -claim.quantity,
        })),
        movements: claimsOf(order).map(({ productId, warehouseId, quantity }) => ({
          productId,
          warehouseId,
          kind: 'shipped',
          quantityDelta: -quantity,
          reason: `order ${order.id}`,
        })),
      };
    case 'allocate-again': {
      const short = ledger.findShortLines(order.lines);
      if (short.length > 0) return new InsufficientStock(short);
      const allocations = strategy.allocate(order.lines, ledger);
      const lines = order.lines.map((line, index) => ({ ...line, allocations: allocations[index] ?? [] }));
      const allocated = { ...moved, lines };
      return {
        ...change,
        order: allocated,
        stockChanges: claimsOf(allocated).map((claim) => ({ ...claim, allocatedDelta: claim.quantity })),
        isAllocatedAnew: true,
      };
    }
  }
}

function claimsOf({ lines }: Order): { productId: number; warehouseId: number; quantity: number }[] {
  return lines.flatMap(({ productId, allocations }) =>
    allocations.map(({ warehouseId, quantity }) => ({ productId, warehouseId, quantity })),
  );
}
