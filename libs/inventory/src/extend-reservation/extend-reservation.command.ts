import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { EntityManager } from 'typeorm';

import {
  Answer,
  DomainError,
  type GroupCommit,
  type IdempotencyClaim,
  type RequestContext,
  type WriteCommand,
  WritePath,
  type Written,
} from '@daybook/platform';

import { toReservationResponse } from '../reservation.dto.js';
import { ReservationExtended } from '../reservation.events.js';
import { changed, claim, type Reservation, toClaimant, toReservationId } from '../reservation.js';
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
    this.groupCommit = writePath.group<ExtendReservation>((commands, manager) =>
      this.extend(commands, manager),
    );
  }

  async execute(command: ExtendReservation): Promise<Answer> {
    return this.groupCommit.submit(command);
  }

  /** A reservation that is extended twice in a batch is written once, as it is after the second time. */
  private async extend(commands: readonly ExtendReservation[], manager: EntityManager): Promise<Written> {
    const ids = commands.map(({ reservationId }) => reservationId);
    const { reservations, now } = await this.reservations.lockWithStock(ids, manager);
    const extended = new Map<string, Reservation>();
    const events: ReservationExtended[] = [];
    const outcomes = commands.map((command) => {
      const claimed = claim(reservations.get(command.reservationId), toClaimant(command), now);
      if (claimed instanceof DomainError) return claimed;
      const { id, expiresAt } = claimed;
      const wanted = now.getTime() + command.input.ttlSeconds * 1000;
      const longer = changed(claimed, now, { expiresAt: new Date(Math.max(wanted, expiresAt.getTime())) });
      reservations.set(id, longer);
      extended.set(id, longer);
      events.push(
        new ReservationExtended(id, longer.version, now.toISOString(), command.context, {
          before: { expiresAt: expiresAt.toISOString() },
          after: { expiresAt: longer.expiresAt.toISOString() },
        }),
      );
      return Answer.versioned(toReservationResponse(longer));
    });
    await this.reservations.extend([...extended.values()], manager);
    return { outcomes, events };
  }
}
