import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { EntityManager } from 'typeorm';

import {
  type Answer,
  type GroupCommit,
  type IdempotencyClaim,
  type RequestContext,
  type WriteCommand,
  WritePath,
  type Written,
} from '@daybook/platform';

import { ReservationExtended } from '../reservation.events.js';
import { changed, type Reservation, toReservationId } from '../reservation.js';
import { decideChanges, type ReservationChange } from '../reservation-changes.js';
import { ReservationsRepository } from '../reservations.repository.js';
import type { ExtendReservationRequest } from './extend-reservation.dto.js';

/**
 * Holds a reservation's stock for longer, counted from now.
 * @throws {ReservationNotActive} {VersionConflict} {NotFound}
 */
export class ExtendReservation extends Command<Answer> implements WriteCommand {
  readonly reservationId: string;

  constructor(
    reservationId: string,
    readonly input: ExtendReservationRequest,
    readonly context: RequestContext,
    readonly idempotency?: IdempotencyClaim,
    readonly expectedVersion?: number,
  ) {
    super();
    this.reservationId = toReservationId(reservationId);
  }
}

@CommandHandler(ExtendReservation)
export class ExtendReservationHandler implements ICommandHandler<ExtendReservation> {
  private readonly groupCommit: GroupCommit<ExtendReservation, Answer>;

  constructor(
    writePath: WritePath,
    private readonly reservations: ReservationsRepository,
  ) {
    this.groupCommit = writePath.group<ExtendReservation>('extend-reservation', (commands, manager) =>
      this.extend(commands, manager),
    );
  }

  async execute(command: ExtendReservation): Promise<Answer> {
    return this.groupCommit.submit(command);
  }

  private async extend(commands: readonly ExtendReservation[], manager: EntityManager): Promise<Written> {
    const ids = commands.map(({ reservationId }) => reservationId);
    const locked = await this.reservations.lockWithStock(ids, manager);
    const { outcomes, changed: extended, events } = decideChanges(commands, locked, toExtension);
    await this.reservations.extend(extended, manager);
    return { outcomes, events };
  }
}

function toExtension(
  claimed: Reservation,
  now: Date,
  { input, context }: ExtendReservation,
): ReservationChange {
  const wanted = now.getTime() + input.ttlSeconds * 1000;
  const expiresAt = new Date(Math.max(wanted, claimed.expiresAt.getTime()));
  const reservation = changed(claimed, now, { expiresAt });
  const { id, version } = reservation;
  const event = new ReservationExtended(id, version, now.toISOString(), context, {
    before: { expiresAt: claimed.expiresAt.toISOString() },
    after: { expiresAt: expiresAt.toISOString() },
  });
  return { reservation, event };
}
