import { Inject } from '@nestjs/common';
import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import { DataSource } from 'typeorm';

import { businessNow, isOperator, type RequestContext } from '@daybook/platform';

import { asOf, type Reservation, toReservationId, unknownReservation } from '../reservation.js';
import { ReservationsRepository } from '../reservations.repository.js';

/** A reservation as it is now: an overdue one has expired. A customer finds only their own. @throws {NotFound} */
export class GetReservation extends Query<Reservation> {
  constructor(
    readonly reservationId: string,
    readonly context: RequestContext,
  ) {
    super();
  }
}

@QueryHandler(GetReservation)
export class GetReservationHandler implements IQueryHandler<GetReservation> {
  constructor(
    @Inject(DataSource) private readonly database: DataSource,
    private readonly reservations: ReservationsRepository,
  ) {}

  async execute({ reservationId, context }: GetReservation): Promise<Reservation> {
    const { manager } = this.database;
    const reservation = await this.reservations.find(toReservationId(reservationId), manager);
    if (reservation === undefined || (!isOperator(context) && reservation.customerId !== context.actor)) {
      throw unknownReservation(reservationId);
    }
    return asOf(await businessNow(manager), reservation);
  }
}
