import { Inject, Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';

import { DatabaseGauges, type GaugeReading, type ReadsGauges } from '@daybook/platform';

const STOCK_DRIFT = {
  name: 'daybook_stock_drift',
  help: 'How many discrepancies between stock and the claims on it the last reconcile-stock found; 0 is right.',
};

/** Nothing is told until the job has run once: a 0 that nobody has looked for would be a lie. */
@Injectable()
@DatabaseGauges(STOCK_DRIFT)
export class StockDriftGauge implements ReadsGauges {
  constructor(@Inject(DataSource) private readonly database: DataSource) {}

  async read(): Promise<readonly GaugeReading[]> {
    const rows = (await this.database.query(
      `SELECT rows FROM job_runs WHERE job = 'reconcile-stock' AND result = 'succeeded'
       ORDER BY fence DESC LIMIT 1`,
    )) as { rows: string }[];
    return rows.map((run) => ({ gauge: STOCK_DRIFT, value: Number(run.rows) }));
  }
}
