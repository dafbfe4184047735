import { Inject } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { EntityManager } from 'typeorm';

import { IdGenerator } from '@daybook/id-generator';
import {
  ALLOCATION_STRATEGY,
  type AllocationStrategy,
  changed,
  holdsOf,
  type ProductStock,
  type Reservation,
  ReservationConsumed,
  ReservationNotActive,
  ReservationsRepository,
  StockRepository,
} from '@daybook/inventory';
import {
  Answer,
  businessNow,
  CONFIG,
  type DaybookConfig,
  DomainError,
  type DomainEvent,
  Forbidden,
  type GroupCommit,
  type IdempotencyClaim,
  isOperator,
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
  ConsumedTwice,
  decidePlacement,
  isPlacement,
  NamedTwice,
  type Placement,
  type PlacementDecision,
  type PlacementRequest,
} from './decide-placement.js';
import type { PlaceOrderRequest } from './place-order.dto.js';

/**
 * Places an order: numbered, its stock allocated, journaled, durable once the answer is there. An order for a
 * reservation takes over the stock that is held for it, which no shortage can prevent.
 * @throws {InsufficientStock} {ProductInactive} {ReservationNotActive} {NotFound} {DuplicateClientOrderId} {ValidationFailed} {Forbidden}
 */
export class PlaceOrder extends Command<Answer> implements WriteCommand {
  constructor(
    readonly input: PlaceOrderRequest,
    readonly context: RequestContext,
    readonly idempotency?: IdempotencyClaim,
  ) {
    super();
  }
}

/** What one accepted command makes. */
interface PlacedOrder {
  readonly order: Order;
  /** The reservation it consumes, before and after. */
  readonly reservation: Reservation | undefined;
  readonly consumed: Reservation | undefined;
}

@CommandHandler(PlaceOrder)
export class PlaceOrderHandler implements ICommandHandler<PlaceOrder> {
  private readonly groupCommit: GroupCommit<PlaceOrder, Answer>;

  constructor(
    writePath: WritePath,
    private readonly stock: StockRepository,
    private readonly reservations: ReservationsRepository,
    private readonly orders: OrdersRepository,
    private readonly idGenerator: IdGenerator,
    @Inject(ALLOCATION_STRATEGY) private readonly strategy: AllocationStrategy,
    @Inject(CONFIG) private readonly config: DaybookConfig,
  ) {
    this.groupCommit = writePath.group<PlaceOrder>('place-order', (commands, manager) =>
      this.place(commands, manager),
    );
  }

  async execute(command: PlaceOrder): Promise<Answer> {
    const { input, context } = command;
    if (input.customerId !== undefined && input.customerId !== context.actor && !isOperator(context)) {
      throw new Forbidden('Only operators place orders for others.');
    }
    if (input.reservationId !== undefined && input.lines !== undefined) {
      throw new ValidationFailed([{ path: 'reservationId', message: 'excludes lines' }]);
    }
    if (input.processingTimeMs !== undefined && this.config.processing.processor !== 'simulated') {
      const message = 'can only be given while orders are processed by the simulated processor';
      throw new ValidationFailed([{ path: 'processingTimeMs', message }]);
    }
    return this.groupCommit.submit(command);
  }

  /** Locks reservations before stock, as every transaction that needs both must. */
  private async place(commands: readonly PlaceOrder[], manager: EntityManager): Promise<Written> {
    const reservations = await this.lockReservations(commands, manager);
    const requests = commands.map((command) => toRequest(command, reservations));
    const skus = [...requests, ...reservations.values()].flatMap(({ lines }) => lines.map(({ sku }) => sku));
    const products = await this.stock.lockBySku([...new Set(skus)], manager);
    const ordersByName = await this.findNames(requests, manager);
    // Nothing but a reservation's deadline depends on the time, and most batches have none.
    const now = reservations.size === 0 ? new Date(0) : await businessNow(manager);
    const decide = (stock: ReadonlyMap<string, ProductStock>) =>
      decidePlacement(requests, { products: stock, ordersByName, reservations, now }, this.strategy);
    const decisions = await this.stock.decide(products, decide, manager);
    const placed = await this.number(requests, commands, decisions, manager);
    return {
      outcomes: decisions.map((decision, index) => toOutcome(decision, index, requests, placed)),
      events: [...placed].flatMap(([index, order]) =>
        toEvents(order, commands[index]?.context as RequestContext),
      ),
      underWay: this.write([...placed.values()], manager),
    };
  }

  private lockReservations(commands: readonly PlaceOrder[], manager: EntityManager) {
    const ids = commands.flatMap(({ input }) => input.reservationId?.toLowerCase() ?? []);
    return this.reservations.lock(ids, manager);
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
    requests: readonly PlacementRequest[],
    commands: readonly PlaceOrder[],
    decisions: readonly PlacementDecision[],
    manager: EntityManager,
  ): Promise<Map<number, PlacedOrder>> {
    const accepted = [...decisions.entries()].filter((entry): entry is [number, Placement] =>
      isPlacement(entry[1]),
    );
    if (accepted.length === 0) return new Map();
    const { numbers, at } = await this.idGenerator.issue(ORDER_SERIES, accepted.length, manager);
    const placedAt = new Date(at);
    return new Map(
      accepted.map(([index, { reservation, ...placement }], position) => {
        const { customerId } = requests[index] as PlacementRequest;
        const { input } = commands[index] as PlaceOrder;
        const id = numbers[position] as OrderId;
        const order = newOrder(id, placedAt, customerId, input, placement, reservation);
        const consumed = reservation && changed(reservation, placedAt, { status: 'consumed', orderId: id });
        return [index, { order, reservation, consumed }];
      }),
    );
  }

  private async write(placed: readonly PlacedOrder[], manager: EntityManager): Promise<void> {
    const orders = placed.map(({ order }) => order);
    const consumed = placed.flatMap((each) => each.consumed ?? []);
    const claims = orders.flatMap(({ lines }) =>
      lines.flatMap(({ productId, allocations }) =>
        allocations.map(({ warehouseId, quantity }) => ({
          productId,
          warehouseId,
          allocatedDelta: quantity,
        })),
      ),
    );
    const freed = consumed.flatMap(holdsOf).map((hold) => ({ ...hold, reservedDelta: -hold.quantity }));
    await together(
      this.insert(orders, manager),
      this.reservations.end(consumed, manager),
      this.stock.applyChanges([...claims, ...freed], manager),
    );
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

/** An operator who names nobody places the order of whoever holds the reservation. */
function toRequest(
  { input, context }: PlaceOrder,
  reservations: ReadonlyMap<string, Reservation>,
): PlacementRequest {
  const { clientOrderId, lines = [] } = input;
  const reservationId = input.reservationId?.toLowerCase();
  const holder = reservationId === undefined ? undefined : reservations.get(reservationId)?.customerId;
  const customerId = input.customerId ?? (isOperator(context) ? holder : undefined) ?? context.actor;
  return { customerId, clientOrderId, lines, reservationId };
}

function newOrder(
  id: OrderId,
  placedAt: Date,
  customerId: string,
  input: PlaceOrderRequest,
  content: Pick<Order, 'currency' | 'totalCents' | 'lines'>,
  reservation: Reservation | undefined,
): Order {
  const { clientOrderId = null, priority = 'normal', processingTimeMs = null } = input;
  return {
    id,
    customerId,
    clientOrderId,
    status: orderStatusMachine.initial,
    priority,
    processingTimeMs,
    reservationId: reservation?.id ?? null,
    placedAt,
    updatedAt: placedAt,
    version: 1,
    ...content,
  };
}

function toOutcome(
  decision: PlacementDecision,
  index: number,
  requests: readonly PlacementRequest[],
  placed: ReadonlyMap<number, PlacedOrder>,
): Outcome<Answer> {
  if (decision instanceof DomainError) return decision;
  if (decision instanceof NamedTwice) {
    const twin = placed.get(decision.index) as PlacedOrder;
    return new DuplicateClientOrderId(requests[index]?.clientOrderId as string, twin.order.id);
  }
  if (decision instanceof ConsumedTwice) {
    const { consumed } = placed.get(decision.index) as PlacedOrder;
    const { id, status, orderId } = consumed as Reservation;
    return new ReservationNotActive(id, status, orderId);
  }
  const { order } = placed.get(index) as PlacedOrder;
  return Answer.created(toOrderResponse(order), `/api/v1/orders/${order.id}`, order.version);
}

function toEvents({ order, reservation, consumed }: PlacedOrder, context: RequestContext): DomainEvent[] {
  const placed = new OrderPlaced(order, context);
  if (reservation === undefined || consumed === undefined) return [placed];
  const ended = new ReservationConsumed(consumed.id, consumed.version, placed.occurredAt, context, {
    before: { status: reservation.status },
    after: { status: consumed.status, orderId: order.id },
  });
  return [placed, ended];
}
