import { setTimeout as pause } from 'node:timers/promises';

import {
  type DataSource,
  type EntityManager,
  type QueryRunner,
  QueryRunnerAlreadyReleasedError,
} from 'typeorm';

import { traceStatement } from '../tracing/statement-spans.js';
import { isConnectionLost, isTransactionConflict, rowWithoutPartition, sqlState } from './database-errors.js';

const CONFLICT_RETRIES = 4;
const CONFLICT_PAUSE_MS = 50;

/** The connection broke while COMMIT was under way: the transaction may or may not have happened. */
export class CommitOutcomeUnknown extends Error {
  constructor(cause: unknown) {
    super('The connection broke during COMMIT', { cause });
    this.name = 'CommitOutcomeUnknown';
  }
}

/**
 * Thrown inside a transaction that lost a race which a second run, seeing the winner's rows, decides differently.
 * Treated like a deadlock: the whole transaction runs again, a bounded number of times.
 */
export class RetryTransaction extends Error {
  constructor(reason: string, cause: unknown) {
    super(reason, { cause });
    this.name = 'RetryTransaction';
  }
}

/**
 * Runs `work` in one READ COMMITTED transaction. Everything that writes takes the given EntityManager as an argument,
 * so that nothing can slip out of the transaction unseen.
 * @throws {CommitOutcomeUnknown} when the connection broke during COMMIT; any other error means: rolled back.
 * @throws {RetryTransaction} also when a row was the first of its month: a new transaction finds its partitions made
 */
export async function inTransaction<T>(
  database: DataSource,
  work: (manager: EntityManager) => Promise<T>,
): Promise<T> {
  try {
    return await runOnce(database, work);
  } catch (error) {
    const row = rowWithoutPartition(error);
    if (row === undefined) throw error;
    // Behind the rollback, on a transaction of its own: inside the other one it would keep everybody else waiting.
    await database.query('SELECT make_partitions(month_of_row($1, $2))', [row.table, row.key]);
    throw new RetryTransaction(`The month of a row in ${row.table} has only just been made`, error);
  }
}

/** As {@link inTransaction}, and again, a bounded number of times, when it lost against another transaction. */
export async function inRepeatedTransaction<T>(
  database: DataSource,
  work: (manager: EntityManager) => Promise<T>,
): Promise<T> {
  for (let retries = 0; ; retries += 1) {
    try {
      return await inTransaction(database, work);
    } catch (error) {
      if (!isRepeatable(error) || retries === CONFLICT_RETRIES) throw error;
      await pause(Math.random() * CONFLICT_PAUSE_MS);
    }
  }
}

/** A deadlock, a serialization failure or a lost race: the transaction was rolled back and may simply run again. */
export function isRepeatable(error: unknown): boolean {
  return isTransactionConflict(error) || error instanceof RetryTransaction;
}

async function runOnce<T>(database: DataSource, work: (manager: EntityManager) => Promise<T>): Promise<T> {
  const runner = database.createQueryRunner();
  try {
    await runner.startTransaction();
    const result = await work(runner.manager);
    await commit(runner);
    return result;
  } catch (error) {
    if (runner.isTransactionActive) await rollBack(runner);
    throw error;
  } finally {
    await runner.release();
  }
}

/**
 * TypeORM's own commit would not tell the answer to COMMIT, and the server answers that of a transaction in which a
 * statement failed with ROLLBACK and no error.
 */
async function commit(runner: QueryRunner): Promise<void> {
  if (runner.isReleased) throw new QueryRunnerAlreadyReleasedError();
  const client = (await runner.connect()) as CommittingClient;
  const committed = traceStatement('COMMIT', 'COMMIT', () => client.query('COMMIT'));
  const { command } = await committed.catch((error: unknown) => {
    throw isConnectionLost(error) ? new CommitOutcomeUnknown(error) : error;
  });
  if (command !== 'COMMIT')
    throw new Error('The work went on after a statement had failed: it was rolled back');
}

interface CommittingClient {
  query(text: string): Promise<{ command: string }>;
}

/** A broken connection cannot be rolled back, and need not be: the server does it. */
async function rollBack(runner: QueryRunner): Promise<void> {
  try {
    await runner.rollbackTransaction();
  } catch (error) {
    if (!isConnectionLost(error)) throw error;
  }
}

/**
 * Runs a statement that the server parses once per connection. For the hot paths; rare statements use
 * `manager.query`. Rows come back for every kind of statement.
 * @param name unique per text; by convention the use case and the step: `place-order/lock-stock`
 */
export async function prepared<Row>(
  manager: EntityManager,
  name: string,
  text: string,
  values: readonly unknown[],
): Promise<Row[]> {
  if (!manager.queryRunner) throw new Error(`The statement ${name} must run inside a transaction`);
  const client = (await manager.queryRunner.connect()) as PreparingClient;
  const { rows } = await traceStatement(name, text, () => client.query({ name, text, values }));
  return rows as Row[];
}

/** A query that both transactions and readers without one need: as {@link prepared} in a transaction, else on the pool. */
export async function read<Row>(
  manager: EntityManager,
  name: string,
  text: string,
  values: readonly unknown[],
): Promise<Row[]> {
  if (manager.queryRunner) return prepared(manager, name, text, values);
  return (await traceStatement(name, text, () => manager.query(text, [...values]))) as Row[];
}

/**
 * Waits for statements that were issued without waiting for each other: they travel to the server in one go, and it
 * works through them while this process does something else. When one fails, those behind it fail as well (25P02), but
 * only because the transaction is broken: the one that broke it is thrown.
 */
export async function together(...statements: readonly Promise<unknown>[]): Promise<void> {
  const settled = await Promise.allSettled(statements);
  const reasons = settled.flatMap((result) =>
    result.status === 'rejected' ? [result.reason as unknown] : [],
  );
  if (reasons.length > 0) throw reasons.find((reason) => sqlState(reason) !== '25P02') ?? reasons[0];
}

interface PreparingClient {
  query(config: { name: string; text: string; values: readonly unknown[] }): Promise<{ rows: unknown[] }>;
}
