import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { EntityManager } from 'typeorm';

import {
  type Answer,
  type GroupCommit,
  type IdempotencyClaim,
  type RequestContext,
  together,
  type WriteCommand,
  WritePath,
  type Written,
} from '@daybook/platform';

import { ReservationReleased } from '../reservation.events.js';
import { changed, holdsOf, type Reservation, toReservationId } from '../reservation.js';
import { decideChanges, type ReservationChange } from '../reservation-changes.js';
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
    this.groupCommit = writePath.group<ReleaseReservation>('release-reservation', (commands, manager) =>
      this.release(commands, manager),
    );
  }

  async execute(command: ReleaseReservation): Promise<Answer> {
    return this.groupCommit.submit(command);
  }

  private async release(commands: readonly ReleaseReservation[], manager: EntityManager): Promise<Written> {
    const ids = commands.map(({ reservationId }) => reservationId);
    const locked = await this.reservations.lockWithStock(ids, manager);
    const { outcomes, changed: released, events } = decideChanges(commands, locked, toRelease);
    const freed = released.flatMap(holdsOf).map((hold) => ({ ...hold, reservedDelta: -hold.quantity }));
    const underWay = together(
      this.reservations.end(released, manager),
      this.stock.applyChanges(freed, manager),
    );
    return { outcomes, events, underWay };
  }
}

function toRelease(claimed: Reservation, now: Date, { context }: ReleaseReservation): ReservationChange {
  const reservation = changed(claimed, now, { status: 'released' });
  const { id, version, status } = reservation;
  const event = new ReservationReleased(id, version, now.toISOString(), context, {
    before: { status: claimed.status },
    after: { status },
  });
  return { reservation, event };
}
