import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { EntityManager } from 'typeorm';

import { businessNow, type RequestContext, WritePath } from '@daybook/platform';

import { ReservationExpired } from '../reservation.events.js';
import { asOf } from '../reservation.js';
import { ReservationsRepository } from '../reservations.repository.js';

/**
 * Writes down that reservations have expired, those due first first, and gives back what they still held. Only tidies
 * up: an overdue reservation holds nothing in any case. Any number of processes may do it at once.
 * @returns how many it expired, at most `limit`
 */
export class ExpireReservations extends Command<number> {
  constructor(
    readonly limit: number,
    readonly context: RequestContext,
    readonly options: {
      /** Leaves those that were due longer ago than this. */
      readonly dueWithinSeconds?: number;
      /** Runs last in the transaction; what it throws undoes the batch. */
      readonly beforeCommit?: (manager: EntityManager, expired: number) => Promise<void>;
    } = {},
  ) {
    super();
  }
}

// Longer than anything can be overdue.
const CENTURY_SECONDS = 3_155_760_000;

@CommandHandler(ExpireReservations)
export class ExpireReservationsHandler implements ICommandHandler<ExpireReservations> {
  constructor(
    private readonly writePath: WritePath,
    private readonly reservations: ReservationsRepository,
  ) {}

  execute({ limit, context, options }: ExpireReservations): Promise<number> {
    const { dueWithinSeconds = CENTURY_SECONDS, beforeCommit } = options;
    return this.writePath.change(async (manager) => {
      const overdue = await this.reservations.lockOverdue(limit, dueWithinSeconds, manager);
      const now = await businessNow(manager);
      const expired = overdue.map((reservation) => asOf(now, reservation));
      await this.reservations.expire(expired, manager);
      const events = expired.map(
        ({ id, version, status, expiresAt }) =>
          new ReservationExpired(id, version, now.toISOString(), context, {
            before: { status: 'active', expiresAt: expiresAt.toISOString() },
            after: { status },
          }),
      );
      const finish = async () => {
        await this.reservations.giveBack(expired, manager);
        await beforeCommit?.(manager, expired.length);
      };
      return { result: expired.length, events, finish };
    });
  }
}
