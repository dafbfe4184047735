import { Answer, DomainError, type DomainEvent } from '@daybook/platform';

import { toReservationResponse } from './reservation.dto.js';
import { claim, type Reservation, type ReservationCommand, toClaimant } from './reservation.js';

/** What becomes of a reservation, and what the journal tells of it. */
export interface ReservationChange {
  readonly reservation: Reservation;
  readonly event: DomainEvent;
}

/** What a batch of commands comes to. */
export interface DecidedChanges {
  /** One per command, in order. */
  readonly outcomes: readonly (Answer | DomainError)[];
  /** What is to be written: a reservation that was changed twice is there once, as it is after the second time. */
  readonly changed: readonly Reservation[];
  readonly events: readonly DomainEvent[];
}

/**
 * Decides a batch of commands, each about one reservation, in their order of arrival: each finds the reservation as
 * those before it left it, and is refused if it has no claim on it. Pure.
 * @param locked the reservations there are, and the moment at which they and their stock were locked
 */
export function decideChanges<C extends ReservationCommand>(
  commands: readonly C[],
  locked: { readonly reservations: ReadonlyMap<string, Reservation>; readonly now: Date },
  change: (claimed: Reservation, now: Date, command: C) => ReservationChange,
): DecidedChanges {
  const changed = new Map<string, Reservation>();
  const events: DomainEvent[] = [];
  const outcomes = commands.map((command) => {
    const found = changed.get(command.reservationId) ?? locked.reservations.get(command.reservationId);
    const claimed = claim(found, toClaimant(command), locked.now);
    if (claimed instanceof DomainError) return claimed;
    const { reservation, event } = change(claimed, locked.now, command);
    changed.set(reservation.id, reservation);
    events.push(event);
    return Answer.versioned(toReservationResponse(reservation));
  });
  return { outcomes, changed: [...changed.values()], events };
}
