import { Inject, Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';

import { CONFIG, type DaybookConfig } from '../config/config.js';

// Days begin and end by the time zone of the business, and so do the months that orders are numbered in.
const MONTHS_FROM_NOW = `
  SELECT to_char(business_now() AT TIME ZONE $1 + make_interval(months => ahead), 'YYYYMM') AS month
  FROM unnest($2::int[]) AS ahead`;

/** The SQL of making months. */
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
}
