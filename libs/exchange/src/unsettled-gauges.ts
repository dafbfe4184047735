import { Inject, Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';

import { DatabaseGauges, type GaugeReading, type ReadsGauges } from '@daybook/platform';

const UNSETTLED = {
  name: 'daybook_exchange_orders_unsettled',
  help: 'How many exchange orders wait for a word of the venue, by what it is about.',
  labels: ['status'],
};
const OLDEST = {
  name: 'daybook_exchange_orders_unsettled_oldest_seconds',
  help: 'How long the exchange order has waited for a word of the venue that has waited longest, 0 when none waits.',
  labels: ['status'],
};

// Served by exchange_orders_by_status.
const READ = `
  SELECT status, count(id)::int AS orders,
    coalesce(extract(epoch FROM (SELECT business_now()) - min(updated_at)), 0)::float8 AS seconds
  FROM unnest('{pending,cancel_pending}'::text[]) AS status
  LEFT JOIN exchange_orders USING (status)
  GROUP BY status`;

/** Exchange orders whose fate only the venue knows. */
@Injectable()
@DatabaseGauges(UNSETTLED, OLDEST)
export class UnsettledGauges implements ReadsGauges {
  constructor(@Inject(DataSource) private readonly database: DataSource) {}

  async read(): Promise<readonly GaugeReading[]> {
    const rows = await this.database.query<{ status: string; orders: number; seconds: number }[]>(READ);
    return rows.flatMap(({ status, orders, seconds }) => [
      { gauge: UNSETTLED, labels: { status }, value: orders },
      { gauge: OLDEST, labels: { status }, value: Math.max(0, seconds) },
    ]);
  }
}
