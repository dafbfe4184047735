import { Inject } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { EntityManager } from 'typeorm';

import { IdGenerator } from '@daybook/id-generator';
import { ALLOCATION_STRATEGY, type AllocationStrategy, StockRepository } from '@daybook/inventory';
import {
  Answer,
  DomainError,
  Forbidden,
  type GroupCommit,
  type IdempotencyClaim,
  isOperator,
  NotFound,
  type Outcome,
  type RequestContext,
  together,
  ValidationFailed,
  type WriteCommand,
  WritePath,
  type Written,
} from '@daybook/platform';

import { toOrderResponse } from '../order.dto.js';
import { orderStatusMachine } from '../order-status.js';
import { type Order, ORDER_SERIES, type OrderId } from '../order.entity.js';
import { DuplicateClientOrderId } from '../order.errors.js';
import { OrderPlaced } from '../order.events.js';
import { OrderNumberTaken, OrdersRepository } from '../orders.repository.js';
import {
  clientOrderName,
  decidePlacement,
  NamedTwice,
  type Placement,
  type PlacementDecision,
  type PlacementRequest,
} from './decide-placement.js';
import type { PlaceOrderRequest } from './place-order.dto.js';

/**
 * Places an order: numbered, its stock allocated, journaled, durable once the answer is there.
 * @throws {InsufficientStock} {ProductInactive} {DuplicateClientOrderId} {ValidationFailed} {Forbidden}
 */
export class PlaceOrder extends Command<Answer> implements WriteCommand {
  constructor(
    readonly input: PlaceOrderRequest,
    readonly context: RequestContext,
    readonly idempotency?: IdempotencyClaim,
  ) {
    super();
  }

  get customerId(): string {
    return this.input.customerId ?? this.context.actor;
  }
}

@CommandHandler(PlaceOrder)
export class PlaceOrderHandler implements ICommandHandler<PlaceOrder> {
  private readonly groupCommit: GroupCommit<PlaceOrder, Answer>;

  constructor(
    writePath: WritePath,
    private readonly stock: StockRepository,
    private readonly orders: OrdersRepository,
    private readonly idGenerator: IdGenerator,
    @Inject(ALLOCATION_STRATEGY) private readonly strategy: AllocationStrategy,
  ) {
    this.groupCommit = writePath.group<PlaceOrder>((commands, manager) => this.place(commands, manager));
  }

  async execute(command: PlaceOrder): Promise<Answer> {
    const { input, context, customerId } = command;
    if (customerId !== context.actor && !isOperator(context)) {
      throw new Forbidden('Only operators place orders for others.');
    }
    if (input.reservationId !== undefined) {
      if (input.lines === undefined) throw new NotFound(`There is no reservation ${input.reservationId}.`);
      throw new ValidationFailed([{ path: 'reservationId', message: 'excludes lines' }]);
    }
    return this.groupCommit.submit(command);
  }

  private async place(commands: readonly PlaceOrder[], manager: EntityManager): Promise<Written> {
    const requests = commands.map(toRequest);
    const skus = new Set(requests.flatMap(({ lines }) => lines.map(({ sku }) => sku)));
    const products = await this.stock.lockBySku([...skus], manager);
    const ordersByName = await this.findNames(requests, manager);
    const decisions = decidePlacement(requests, { products, ordersByName }, this.strategy);
    const orders = await this.number(commands, decisions, manager);
    const outcomes = decisions.map((decision, index) => toOutcome(decision, index, requests, orders));
    const events = [...orders].map(([index, order]) =>
      toEvent(order, commands[index]?.context as RequestContext),
    );
    return { outcomes, events, underWay: this.write([...orders.values()], manager) };
  }

  private async findNames(
    requests: readonly PlacementRequest[],
    manager: EntityManager,
  ): Promise<Map<string, OrderId>> {
    const keys = requests.flatMap(({ customerId, clientOrderId }) =>
      clientOrderId === undefined ? [] : [{ customerId, clientOrderId }],
    );
    const rows = await this.orders.findClientOrders(keys, manager);
    return new Map(rows.map((row) => [clientOrderName(row.customerId, row.clientOrderId), row.orderId]));
  }

  /** Makes orders of the accepted requests, by their position: only they take numbers. */
  private async number(
    commands: readonly PlaceOrder[],
    decisions: readonly PlacementDecision[],
    manager: EntityManager,
  ): Promise<Map<number, Order>> {
    const accepted = [...decisions.entries()].filter((entry): entry is [number, Placement] =>
      isPlacement(entry[1]),
    );
    if (accepted.length === 0) return new Map();
    const { numbers, at } = await this.idGenerator.issue(ORDER_SERIES, accepted.length, manager);
    const placedAt = new Date(at);
    return new Map(
      accepted.map(([index, placement], position) => {
        const order = newOrder(
          numbers[position] as OrderId,
          placedAt,
          commands[index] as PlaceOrder,
          placement,
        );
        return [index, order];
      }),
    );
  }

  private async write(orders: readonly Order[], manager: EntityManager): Promise<void> {
    const claims = orders.flatMap(({ lines }) =>
      lines.flatMap(({ productId, allocations }) =>
        allocations.map(({ warehouseId, quantity }) => ({
          productId,
          warehouseId,
          allocatedDelta: quantity,
        })),
      ),
    );
    await together(this.insert(orders, manager), this.stock.applyChanges(claims, manager));
  }

  private async insert(orders: readonly Order[], manager: EntityManager): Promise<void> {
    try {
      await this.orders.insert(orders, manager);
    } catch (error) {
      if (error instanceof OrderNumberTaken) this.idGenerator.distrust(ORDER_SERIES, (orders[0] as Order).id);
      throw error;
    }
  }
}

function toRequest({ customerId, input: { clientOrderId, lines = [] } }: PlaceOrder): PlacementRequest {
  return { customerId, clientOrderId, lines };
}

function isPlacement(decision: PlacementDecision): decision is Placement {
  return !(decision instanceof DomainError) && !(decision instanceof NamedTwice);
}

function newOrder(
  id: OrderId,
  placedAt: Date,
  { customerId, input }: PlaceOrder,
  placement: Placement,
): Order {
  const { clientOrderId = null, priority = 'normal', processingTimeMs = null } = input;
  return {
    id,
    customerId,
    clientOrderId,
    status: orderStatusMachine.initial,
    priority,
    processingTimeMs,
    reservationId: null,
    placedAt,
    updatedAt: placedAt,
    version: 1,
    ...placement,
  };
}

function toOutcome(
  decision: PlacementDecision,
  index: number,
  requests: readonly PlacementRequest[],
  orders: ReadonlyMap<number, Order>,
): Outcome<Answer> {
  if (decision instanceof DomainError) return decision;
  if (decision instanceof NamedTwice) {
    const twin = orders.get(decision.index) as Order;
    return new DuplicateClientOrderId(requests[index]?.clientOrderId as string, twin.id);
  }
  const order = orders.get(index) as Order;
  return Answer.created(toOrderResponse(order), `/api/v1/orders/${order.id}`, order.version);
}

function toEvent(order: Order, context: RequestContext): OrderPlaced {
  const { status, customerId, priority, currency, totalCents } = order;
  const lines = order.lines.map(({ sku, quantity, unitPriceCents }) => ({ sku, quantity, unitPriceCents }));
  return new OrderPlaced(order.id, order.version, order.placedAt.toISOString(), context, {
    after: { status, customerId, priority, currency, totalCents, lines },
  });
}
