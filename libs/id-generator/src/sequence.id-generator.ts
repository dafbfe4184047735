import { type DataSource, type EntityManager } from 'typeorm';

import { inTransaction, prepared, RetryTransaction } from '@daybook/platform';

import { formatNumber } from './business-number.js';
import { highestStored, IdGenerator, type IssuedNumbers, type NumberSeries } from './id-generator.js';

interface NumberRow {
  readonly day: string;
  readonly at_ms: number;
  readonly n: string | null;
}

// to_regclass gives NULL for a sequence that does not exist, and nextval(NULL) is NULL: the transaction lives on.
const ISSUE = `
  WITH clock AS MATERIALIZED (SELECT date_trunc('milliseconds', business_now()) AS now),
  today AS MATERIALIZED (SELECT now, to_char(now AT TIME ZONE $2, 'YYYYMMDD') AS day FROM clock),
  counter AS MATERIALIZED (SELECT now, day, to_regclass($1 || '_number_' || day) AS sequence FROM today)
  SELECT day, (extract(epoch FROM now) * 1000)::float8 AS at_ms, nextval(sequence) AS n
  FROM counter, generate_series(1, $3)`;

/**
 * One PostgreSQL sequence per series and day. Nobody waits for anybody; numbers taken by a transaction that rolls back
 * are lost, so there may be gaps.
 */
export class SequenceIdGenerator extends IdGenerator {
  constructor(
    private readonly database: DataSource,
    private readonly timezone: string,
  ) {
    super();
  }

  protected async take(series: NumberSeries, count: number, manager: EntityManager): Promise<IssuedNumbers> {
    const rows = await this.nextNumbers(series, count, manager);
    const first = rows[0];
    if (first === undefined) throw new RangeError('count must be at least 1');
    if (first.n === null) {
      await this.prepare(series, first.day);
      // PostgreSQL remembers until the end of the transaction that there was no such name: looking again would go on
      // finding nothing, for ever.
      throw new RetryTransaction(`The counter of ${first.day} has only just been made`, undefined);
    }
    const ordered = rows.map(({ n }) => Number(n)).sort((a, b) => a - b);
    return {
      at: new Date(first.at_ms).toISOString(),
      numbers: ordered.map((n) => formatNumber(series.prefix, first.day, n)),
    };
  }

  private nextNumbers(series: NumberSeries, count: number, manager: EntityManager): Promise<NumberRow[]> {
    return prepared(manager, 'id-generator/sequence', ISSUE, [series.name, this.timezone, count]);
  }

  /**
   * In a transaction of its own and under an advisory lock: CREATE SEQUENCE IF NOT EXISTS is not safe against a
   * concurrent creator, and inside an order's transaction it would keep every other order of the new day waiting.
   */
  async prepare(series: NumberSeries, day: string): Promise<void> {
    const name = `${series.name}_number_${day}`;
    await inTransaction(this.database, async (manager) => {
      await manager.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [name]);
      const highest = await highestStored(series, day, manager);
      await manager.query(`CREATE SEQUENCE IF NOT EXISTS ${name} START WITH ${BigInt(highest) + 1n}`);
      // Only when stored numbers are ahead (another strategy, a restore): otherwise nextval alone moves it.
      await manager.query(
        `SELECT setval('${name}', $1::bigint) FROM ${name} WHERE last_value < $1::bigint AND $1::bigint > 0`,
        [highest],
      );
    });
  }
}
