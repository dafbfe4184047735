import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { EntityManager } from 'typeorm';

import {
  Answer,
  DomainError,
  type GroupCommit,
  type IdempotencyClaim,
  type RequestContext,
  together,
  type WriteCommand,
  WritePath,
  type Written,
} from '@daybook/platform';

import { toReservationResponse } from '../reservation.dto.js';
import { ReservationReleased } from '../reservation.events.js';
import { changed, claim, holdsOf, type Reservation, toClaimant, toReservationId } from '../reservation.js';
import { ReservationsRepository } from '../reservations.repository.js';
import { StockRepository } from '../stock.repository.js';

/** Gives a reservation's stock back before its time. @throws {ReservationNotActive} {VersionConflict} {NotFound} */
export class ReleaseReservation extends Command<Answer> implements WriteCommand {
  readonly reservationId: string;

  constructor(
    reservationId: string,
    readonly context: RequestContext,
    readonly idempotency?: IdempotencyClaim,
    readonly expectedVersion?: number,
  ) {
    super();
    this.reservationId = toReservationId(reservationId);
  }
}

@CommandHandler(ReleaseReservation)
export class ReleaseReservationHandler implements ICommandHandler<ReleaseReservation> {
  private readonly groupCommit: GroupCommit<ReleaseReservation, Answer>;

  constructor(
    writePath: WritePath,
    private readonly reservations: ReservationsRepository,
    private readonly stock: StockRepository,
  ) {
    this.groupCommit = writePath.group<ReleaseReservation>((commands, manager) =>
      this.release(commands, manager),
    );
  }

  async execute(command: ReleaseReservation): Promise<Answer> {
    return this.groupCommit.submit(command);
  }

  private async release(commands: readonly ReleaseReservation[], manager: EntityManager): Promise<Written> {
    const ids = commands.map(({ reservationId }) => reservationId);
    const { reservations, now } = await this.reservations.lockWithStock(ids, manager);
    const released: Reservation[] = [];
    const events: ReservationReleased[] = [];
    const outcomes = commands.map((command) => {
      const claimed = claim(reservations.get(command.reservationId), toClaimant(command), now);
      if (claimed instanceof DomainError) return claimed;
      const ended = changed(claimed, now, { status: 'released' });
      reservations.set(ended.id, ended);
      released.push(ended);
      events.push(
        new ReservationReleased(ended.id, ended.version, now.toISOString(), command.context, {
          before: { status: claimed.status },
          after: { status: ended.status },
        }),
      );
      return Answer.versioned(toReservationResponse(ended));
    });
    const freed = released.flatMap(holdsOf).map((hold) => ({ ...hold, reservedDelta: -hold.quantity }));
    const underWay = together(
      this.reservations.end(released, manager),
      this.stock.applyChanges(freed, manager),
    );
    return { outcomes, events, underWay };
  }
}
