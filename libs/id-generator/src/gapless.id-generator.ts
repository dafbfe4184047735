import { type DataSource, type EntityManager } from 'typeorm';

import { inTransaction, prepared } from '@daybook/platform';

import { formatNumber } from './business-number.js';
import { highestStored, IdGenerator, type IssuedNumbers, type NumberSeries } from './id-generator.js';

interface CounterRow {
  readonly day: string;
  readonly at_ms: number;
  readonly last: number | null;
}

const ISSUE = `
  WITH clock AS MATERIALIZED (SELECT date_trunc('milliseconds', business_now()) AS now),
  today AS MATERIALIZED (SELECT now, to_char(now AT TIME ZONE $2, 'YYYYMMDD') AS day FROM clock),
  counted AS (
    UPDATE number_counters counter SET last = last + $3::bigint FROM today
    WHERE counter.series = $1 AND counter.day = today.day::int RETURNING last)
  SELECT today.day, (extract(epoch FROM today.now) * 1000)::float8 AS at_ms,
    (SELECT last FROM counted)::float8 AS last FROM today`;

const PREPARE = `
  INSERT INTO number_counters AS counter (series, day, last) VALUES ($1, $2, $3)
  ON CONFLICT (series, day) DO UPDATE SET last = excluded.last WHERE counter.last < excluded.last`;

/**
 * A counter row per series and day, changed by the transaction that stores the numbers: no gaps, ever, because a
 * rollback gives the numbers back. Transactions of one series run one after the other from here to their commit, which
 * group commit makes affordable: it takes the counter once per batch.
 */
export class GaplessIdGenerator extends IdGenerator {
  constructor(
    private readonly database: DataSource,
    private readonly timezone: string,
  ) {
    super();
  }

  protected async take(series: NumberSeries, count: number, manager: EntityManager): Promise<IssuedNumbers> {
    const values = [series.name, this.timezone, count];
    const [row] = await prepared<CounterRow>(manager, 'id-generator/gapless', ISSUE, values);
    if (row === undefined) throw new Error('The business clock gave no time');
    const { last } = row;
    if (last === null) {
      await this.prepare(series, row.day);
      return this.take(series, count, manager);
    }
    return {
      at: new Date(row.at_ms).toISOString(),
      numbers: Array.from({ length: count }, (_, i) =>
        formatNumber(series.prefix, row.day, last - count + 1 + i),
      ),
    };
  }

  async prepare(series: NumberSeries, day: string): Promise<void> {
    await inTransaction(this.database, async (manager) => {
      await manager.query(PREPARE, [series.name, Number(day), await highestStored(series, day, manager)]);
    });
  }
}
