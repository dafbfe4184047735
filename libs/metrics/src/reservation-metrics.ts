import { EventsHandler, type IEventHandler } from '@nestjs/cqrs';
import { Counter, Registry } from 'prom-client';

import {
  ReservationConsumed,
  ReservationCreated,
  ReservationExpired,
  ReservationReleased,
  reservationStatusMachine,
} from '@daybook/inventory';
import type { DomainEvent } from '@daybook/platform';

/** Counts what this process has done with reservations, once it is committed. */
@EventsHandler(ReservationCreated, ReservationConsumed, ReservationReleased, ReservationExpired)
export class ReservationMetrics implements IEventHandler<DomainEvent> {
  private readonly created: Counter;
  private readonly ended: Counter;

  constructor(registry: Registry) {
    this.created = new Counter({
      name: 'daybook_reservations_created_total',
      help: 'How many reservations this process has made.',
      registers: [registry],
    });
    this.ended = new Counter({
      name: 'daybook_reservations_ended_total',
      help: 'How many reservations this process has ended, by what became of them.',
      labelNames: ['status'],
      registers: [registry],
    });
    // A counter that is not there before its first increase hides that increase from rate().
    const { initial } = reservationStatusMachine;
    for (const status of reservationStatusMachine.allowed(initial)) this.ended.inc({ status }, 0);
  }

  handle(event: DomainEvent): void {
    if (event instanceof ReservationCreated) this.created.inc();
    else this.ended.inc({ status: String(event.data.after['status']) });
  }
}
