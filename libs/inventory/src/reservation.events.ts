import { DomainEvent } from '@daybook/platform';

export class ReservationCreated extends DomainEvent {
  readonly type = 'reservation.created';
  readonly entityType = 'reservation';
}

export class ReservationExtended extends DomainEvent {
  readonly type = 'reservation.extended';
  readonly entityType = 'reservation';
}

export class ReservationReleased extends DomainEvent {
  readonly type = 'reservation.released';
  readonly entityType = 'reservation';
}

/** Its stock went to the order that `data.after.orderId` names. */
export class ReservationConsumed extends DomainEvent {
  readonly type = 'reservation.consumed';
  readonly entityType = 'reservation';
}

/** Written down at `occurredAt`; it held nothing any more since `data.before.expiresAt`. */
export class ReservationExpired extends DomainEvent {
  readonly type = 'reservation.expired';
  readonly entityType = 'reservation';
}
