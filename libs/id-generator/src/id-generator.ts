import type { EntityManager } from 'typeorm';

import type { BusinessNumber } from './business-number.js';

const DAY_DIGITS = 8;

/** One kind of thing that is numbered per business day. Names and places are code, never input. */
export interface NumberSeries {
  /** Lower snake case; part of the sequence's name: `order` -> `order_number_20261120`. */
  readonly name: string;
  /** One capital letter in front of the number, or none. */
  readonly prefix: '' | `${Uppercase<string>}`;
  /** Where the numbers are stored, to go on behind the highest one after a restore or a change of strategy. */
  readonly table: string;
  readonly column: string;
}

/** Numbers for one transaction, all of one moment: `at` and every number name the same business day. */
export interface IssuedNumbers {
  /** The moment by the database clock, ISO 8601 UTC with milliseconds. */
  readonly at: string;
  /** Ascending. */
  readonly numbers: readonly BusinessNumber[];
}

/**
 * Issues the numbers of all series. A number is only real once the transaction that stores it has committed; the
 * primary key of the series' table is what makes a second use impossible.
 */
export abstract class IdGenerator {
  private readonly registered: NumberSeries[] = [];
  /** The days whose counters were seen to lag behind the stored numbers. */
  private readonly lagging = new Map<NumberSeries, string>();

  /** The series whose counters are made ahead of time. */
  get series(): readonly NumberSeries[] {
    return this.registered;
  }

  register(series: NumberSeries): void {
    this.registered.push(series);
  }

  /**
   * Takes the next `count` numbers of today, the business day by the database clock.
   * @throws {RetryTransaction} when the day had no counter yet; a new transaction finds it
   */
  async issue(series: NumberSeries, count: number, manager: EntityManager): Promise<IssuedNumbers> {
    const day = this.lagging.get(series);
    if (day !== undefined) {
      await this.prepare(series, day);
      this.lagging.delete(series);
    }
    return this.take(series, count, manager);
  }

  /**
   * Tells that this number was found to be stored already, so the counter of its day lags: processes of both
   * strategies at work, or a counter that was set back. It is lifted before the next number is issued, in the
   * transaction after this one, which still holds what the counter may be waiting for.
   */
  distrust(series: NumberSeries, number: BusinessNumber): void {
    this.lagging.set(series, number.slice(series.prefix.length, series.prefix.length + DAY_DIGITS));
  }

  protected abstract take(
    series: NumberSeries,
    count: number,
    manager: EntityManager,
  ): Promise<IssuedNumbers>;

  /**
   * Makes the counter of a day, or lifts one that lags behind the stored numbers. Safe at any time, from any process.
   * @param day `YYYYMMDD`
   */
  abstract prepare(series: NumberSeries, day: string): Promise<void>;
}

/** The highest number of the day that is stored, 0 if there is none. */
export async function highestStored(
  series: NumberSeries,
  day: string,
  manager: EntityManager,
): Promise<string> {
  const [row] = (await manager.query(
    `SELECT coalesce(max(${series.column}) - $1::bigint, 0)::text AS highest
     FROM ${series.table} WHERE ${series.column} BETWEEN $1::bigint AND $1::bigint + 9999999999`,
    [`${day}0000000000`],
  )) as [{ highest: string }];
  return row.highest;
}
