import { Inject, Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { Pool } from 'pg';

import { CONFIG, type DaybookConfig } from '../config/config.js';
import { DomainError } from '../errors/domain-error.js';
import { traceStatement } from '../tracing/statement-spans.js';
import { sqlState } from './database-errors.js';
import { connectionOptions } from './data-source-options.js';

/**
 * A list that cannot be read within its time: too much lies between the rows that were asked for. `narrowBy` names
 * parameters that would help.
 */
export class QueryTooBroad extends DomainError {
  readonly code = 'query_too_broad';
  readonly status = 422;

  constructor(timeBudgetMs: number, narrowBy: readonly string[]) {
    super(`This would take longer than ${timeBudgetMs} ms. Add or narrow: ${narrowBy.join(', ')}.`, {
      timeBudgetMs,
      narrowBy,
    });
  }
}

// A page is full after a few rows, so the way to it is an index and one row after another: a join that reads a whole side
// first, or several processes, only pay for who wants everything. Indexes are mostly in memory.
const PLANNING = [
  'default_transaction_read_only=on',
  'enable_hashjoin=off',
  'enable_mergejoin=off',
  'max_parallel_workers_per_gather=0',
  'random_page_cost=1.1',
  'jit=off',
];

/**
 * For reads whose cost depends on what the caller asks: on a few read-only connections of their own, so that a broad
 * list keeps nobody from placing orders, and with a time limit for each statement.
 *
 * Statements are planned for their values each time: the best way to a rare status is not the best to a frequent one.
 */
@Injectable()
export class BoundedReads implements OnApplicationShutdown {
  /** For metrics. */
  readonly pool: Pool;
  readonly timeBudgetMs: number;

  constructor(@Inject(CONFIG) { databaseUrl, listPoolSize, listTimeBudgetMs }: DaybookConfig) {
    this.timeBudgetMs = listTimeBudgetMs;
    const { options, ...bounds } = connectionOptions;
    this.pool = new Pool({
      ...bounds,
      connectionString: databaseUrl,
      application_name: 'daybook-lists',
      max: listPoolSize,
      connectionTimeoutMillis: 5_000,
      statement_timeout: listTimeBudgetMs,
      // To wait for somebody else's lock is no fault of the question: that comes to its end earlier, as `overloaded`.
      lock_timeout: Math.ceil(listTimeBudgetMs / 2),
      options: [options, ...PLANNING].join(' -c '),
    });
    // Without a listener an idle connection that breaks would end the process; the pool has already replaced it.
    this.pool.on('error', (error) => new Logger('Lists').debug({ err: error }));
  }

  /**
   * Runs one statement.
   * @param narrowBy the request's parameters that would make it cheaper, if there are any
   * @throws {QueryTooBroad} when it takes longer than it may and there are such parameters
   */
  async query<Row>(
    name: string,
    text: string,
    values: readonly unknown[],
    narrowBy: readonly string[] = [],
  ): Promise<Row[]> {
    try {
      return await traceStatement(
        name,
        text,
        async () => (await this.pool.query(text, [...values])).rows as Row[],
      );
    } catch (error) {
      throw isOutOfTime(error) && narrowBy.length > 0
        ? new QueryTooBroad(this.timeBudgetMs, narrowBy)
        : error;
    }
  }

  async onApplicationShutdown(): Promise<void> {
    // An application may be closed twice.
    if (!this.pool.ending) await this.pool.end();
  }
}

function isOutOfTime(error: unknown): boolean {
  return sqlState(error) === '57014';
}
