import { Inject, Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';

import { DatabaseGauges, type GaugeReading, type ReadsGauges } from '@daybook/platform';

// So many on both sides take some 50 ms; what an alarm would be about is far below.
const COUNTED_AT_MOST = 100_000;

const ACTIVE = {
  name: 'daybook_reservations_active',
  help: `How many reservations hold stock now, counted up to ${COUNTED_AT_MOST}.`,
};
const OVERDUE = {
  name: 'daybook_reservations_overdue',
  help: `How many reservations have expired without that being written down, counted up to ${COUNTED_AT_MOST}.`,
};

// Both sides of the present in the index reservations_due, which has active reservations only: those that have ended,
// nearly all of the table, cost nothing. The limits bound what is read when there are many, or when nobody sweeps; the
// order makes them do so, for without it the index may be read to its end first.
const READ = `
  SELECT
    (SELECT count(*)::int FROM (
      SELECT FROM reservations WHERE status = 'active' AND expires_at > (SELECT business_now())
      ORDER BY expires_at LIMIT $1)) AS active,
    (SELECT count(*)::int FROM (
      SELECT FROM reservations WHERE status = 'active' AND expires_at <= (SELECT business_now())
      ORDER BY expires_at DESC LIMIT $1)) AS overdue`;

@Injectable()
@DatabaseGauges(ACTIVE, OVERDUE)
export class ReservationGauges implements ReadsGauges {
  constructor(@Inject(DataSource) private readonly database: DataSource) {}

  async read(): Promise<readonly GaugeReading[]> {
    const rows = (await this.database.query(READ, [COUNTED_AT_MOST])) as {
      active: number;
      overdue: number;
    }[];
    return rows.flatMap(({ active, overdue }) => [
      { gauge: ACTIVE, value: active },
      { gauge: OVERDUE, value: overdue },
    ]);
  }
}
