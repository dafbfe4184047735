import { randomUUIDv7 } from 'node:crypto';

import { Inject } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { EntityManager } from 'typeorm';

import {
  Answer,
  businessNow,
  CONFIG,
  type DaybookConfig,
  DomainError,
  Forbidden,
  type GroupCommit,
  type IdempotencyClaim,
  isOperator,
  type RequestContext,
  together,
  type WriteCommand,
  WritePath,
  type Written,
} from '@daybook/platform';

import { ALLOCATION_STRATEGY, type AllocationStrategy } from '../allocation/allocation-strategy.js';
import type { ProductStock } from '../allocation/stock-ledger.js';
import { toReservationResponse } from '../reservation.dto.js';
import { ReservationCreated } from '../reservation.events.js';
import { holdsOf, type Reservation, type ReservationLine, reservationStatusMachine } from '../reservation.js';
import { ReservationsRepository } from '../reservations.repository.js';
import { StockRepository } from '../stock.repository.js';
import { decideReservations } from './decide-reservations.js';
import type { ReserveStockRequest } from './reserve-stock.dto.js';

/**
 * Holds stock for a customer for a while, all lines or none.
 * @throws {InsufficientStock} {ProductInactive} {ValidationFailed} {Forbidden}
 */
export class ReserveStock extends Command<Answer> implements WriteCommand {
  constructor(
    readonly input: ReserveStockRequest,
    readonly context: RequestContext,
    readonly idempotency?: IdempotencyClaim,
  ) {
    super();
  }

  get customerId(): string {
    return this.input.customerId ?? this.context.actor;
  }
}

@CommandHandler(ReserveStock)
export class ReserveStockHandler implements ICommandHandler<ReserveStock> {
  private readonly groupCommit: GroupCommit<ReserveStock, Answer>;

  constructor(
    writePath: WritePath,
    private readonly stock: StockRepository,
    private readonly reservations: ReservationsRepository,
    @Inject(ALLOCATION_STRATEGY) private readonly strategy: AllocationStrategy,
    @Inject(CONFIG) private readonly config: DaybookConfig,
  ) {
    this.groupCommit = writePath.group<ReserveStock>('reserve-stock', (commands, manager) =>
      this.reserve(commands, manager),
    );
  }

  async execute(command: ReserveStock): Promise<Answer> {
    if (command.customerId !== command.context.actor && !isOperator(command.context)) {
      throw new Forbidden('Only operators hold stock for others.');
    }
    return this.groupCommit.submit(command);
  }

  private async reserve(commands: readonly ReserveStock[], manager: EntityManager): Promise<Written> {
    const requests = commands.map(({ input }) => input.lines);
    const skus = new Set(requests.flatMap((lines) => lines.map(({ sku }) => sku)));
    const products = await this.stock.lockBySku([...skus], manager);
    const decide = (stock: ReadonlyMap<string, ProductStock>) =>
      decideReservations(requests, stock, this.strategy);
    const decisions = await this.stock.decide(products, decide, manager);
    const now = await businessNow(manager);
    const outcomes = decisions.map((decision, index) =>
      decision instanceof DomainError ? decision : this.make(commands[index] as ReserveStock, decision, now),
    );
    return {
      outcomes: outcomes.map((outcome) => (outcome instanceof DomainError ? outcome : toAnswer(outcome))),
      events: outcomes.flatMap((outcome, index) =>
        outcome instanceof DomainError ? [] : [toEvent(outcome, commands[index] as ReserveStock)],
      ),
      underWay: this.write(
        outcomes.filter((outcome) => !(outcome instanceof DomainError)),
        manager,
      ),
    };
  }

  private make(
    { customerId, input }: ReserveStock,
    lines: readonly ReservationLine[],
    now: Date,
  ): Reservation {
    const ttlSeconds = input.ttlSeconds ?? this.config.reservationTtlSeconds;
    return {
      id: randomUUIDv7(),
      customerId,
      status: reservationStatusMachine.initial,
      lines,
      expiresAt: new Date(now.getTime() + ttlSeconds * 1000),
      orderId: null,
      createdAt: now,
      updatedAt: now,
      version: 1,
    };
  }

  private async write(reservations: readonly Reservation[], manager: EntityManager): Promise<void> {
    const claims = reservations.flatMap(holdsOf).map((hold) => ({ ...hold, reservedDelta: hold.quantity }));
    await together(this.reservations.insert(reservations, manager), this.stock.applyChanges(claims, manager));
  }
}

function toAnswer(reservation: Reservation): Answer {
  const location = `/api/v1/reservations/${reservation.id}`;
  return Answer.created(toReservationResponse(reservation), location, reservation.version);
}

function toEvent(reservation: Reservation, { context }: ReserveStock): ReservationCreated {
  const { id, version, createdAt, status, customerId } = reservation;
  const expiresAt = reservation.expiresAt.toISOString();
  const lines = reservation.lines.map(({ sku, quantity }) => ({ sku, quantity }));
  return new ReservationCreated(id, version, createdAt.toISOString(), context, {
    after: { status, customerId, expiresAt, lines },
  });
}
