import { Inject, Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';

import { CONFIG, type DaybookConfig } from '../config/config.js';

/** The setting that tells up to which month, as YYYYMM, history may be gone. */
export const DETACHED_UNTIL = 'detached_until';

/** One month of one table. */
export interface Partition {
  /** `orders_202501` */
  readonly name: string;
  readonly table: string;
  /** `202501` */
  readonly month: string;
  /** What tells the month of its rows: an order number, or a time. */
  readonly key: 'number' | 'time';
  /** Interrupted: its rows are out of sight, but nothing else can be detached from the table before it is finished. */
  readonly state: 'attached' | 'interrupted' | 'detached';
}

/** Rows for whose sake a month stays where it is. */
export interface RowsInUse {
  readonly table: string;
  /** SQL that holds for such a row. */
  readonly condition: string;
  /** For operators: `orders that claim stock`. */
  readonly description: string;
}

// Days begin and end by the time zone of the business, and so do the months that orders are numbered in.
const MONTHS_FROM_NOW = `
  SELECT to_char(business_now() AT TIME ZONE $1 + make_interval(months => ahead), 'YYYYMM') AS month
  FROM unnest($2::int[]) AS ahead`;

// The tables that others are part of come first: rows without their order are out of sight, an order without its rows
// would be seen.
const OLDER_THAN = `
  SELECT child.relname AS name, parent.name AS "table", right(child.relname, 6) AS month, parent.key,
    CASE WHEN inhrelid IS NULL THEN 'detached' WHEN inhdetachpending THEN 'interrupted' ELSE 'attached' END AS state
  FROM partitioned_tables parent
  JOIN pg_class child ON child.relname ~ ('^' || parent.name || '_\\d{6}$') AND child.relkind = 'r'
    AND child.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = parent.name::regclass)
  LEFT JOIN pg_inherits ON inhrelid = child.oid AND inhparent = parent.name::regclass
  WHERE right(child.relname, 6) < $1
  ORDER BY month, parent.part_of NULLS FIRST, parent.name`;

const RECORD_DETACHED = `
  INSERT INTO settings AS known (name, value) VALUES ('${DETACHED_UNTIL}', $1)
  ON CONFLICT (name) DO UPDATE SET value = greatest(known.value, excluded.value)`;

// Nobody notices a wait of this length. Who has the table in use for longer is not waited for: the next run is.
const PATIENCE = '2s';

/** The SQL of making and detaching months. Names of tables come from the database's own catalogue, never from input. */
@Injectable()
export class PartitionStore {
  constructor(
    @Inject(DataSource) private readonly database: DataSource,
    @Inject(CONFIG) private readonly config: DaybookConfig,
  ) {}

  /** The months, as YYYYMM, that lie so many months ahead of this one; behind it, if negative. */
  async monthsFromNow(...ahead: readonly number[]): Promise<string[]> {
    const values = [this.config.businessTimezone, ahead];
    const rows = (await this.database.query(MONTHS_FROM_NOW, values)) as { month: string }[];
    return rows.map(({ month }) => month);
  }

  /** Makes what is missing of these months. @returns how many partitions were made */
  async make(months: readonly string[], manager: EntityManager): Promise<number> {
    const made = (await manager.query('SELECT make_partitions(month) FROM unnest($1::text[]) AS month', [
      months,
    ])) as unknown[];
    return made.length;
  }

  /** Everything of earlier months that has not been put away, oldest first, and a table before what is part of it. */
  async olderThan(month: string): Promise<Partition[]> {
    return (await this.database.query(OLDER_THAN, [month])) as Partition[];
  }

  async countInUse({ name }: Partition, { condition }: RowsInUse, manager: EntityManager): Promise<number> {
    // A large month takes its time; nobody waits for this transaction.
    await manager.query(`SET LOCAL statement_timeout = '1min'`);
    const [row] = (await manager.query(
      `SELECT count(*)::float8 AS count FROM ${name} WHERE ${condition}`,
    )) as [{ count: number }];
    return row.count;
  }

  /** Tells everybody that rows of this month, and of those before it, may be gone. */
  async recordDetached({ month }: Partition, manager: EntityManager): Promise<void> {
    await manager.query(RECORD_DETACHED, [month]);
  }

  /**
   * Takes a month out of its table while everybody reads and writes the others. Waits for the transactions that have
   * the table in use, and when that takes too long leaves the month interrupted: out of sight, to be finished later.
   */
  async detach({ name, table, state }: Partition): Promise<void> {
    const how = state === 'interrupted' ? 'FINALIZE' : 'CONCURRENTLY';
    const runner = this.database.createQueryRunner();
    try {
      await runner.query(`SET lock_timeout = '${PATIENCE}'`);
      // PostgreSQL does it in two transactions of its own, so it cannot be part of one.
      await runner.query(`ALTER TABLE ${table} DETACH PARTITION ${name} ${how}`);
    } finally {
      await runner.query('RESET ALL');
      await runner.release();
    }
  }

  async attach({ table, month }: Partition, manager: EntityManager): Promise<void> {
    await manager.query('SELECT attach_partition($1, $2)', [table, month]);
  }

  /** Puts a detached month where the operator finds it. */
  async putAway({ name }: Partition, manager: EntityManager): Promise<void> {
    await manager.query(`ALTER TABLE ${name} SET SCHEMA detached`);
  }
}
