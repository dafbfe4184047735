import {
  QueryFailedError,
  QueryRunnerAlreadyReleasedError,
  QueryRunnerProviderAlreadyReleasedError,
} from 'typeorm';

/** The SQLSTATE of a database error and what it is about, as the driver reports them. */
interface DriverError {
  readonly code?: string;
  readonly constraint?: string;
  readonly table?: string;
  readonly detail?: string;
}

/** The driver's own error: TypeORM wraps what its `query()` throws, prepared statements throw it as it is. */
function driverError(error: unknown): DriverError {
  if (error instanceof QueryFailedError) return error.driverError as DriverError;
  return error ?? {};
}

/** The five-character SQLSTATE, or undefined when the error did not come from a statement. */
export function sqlState(error: unknown): string | undefined {
  const { code } = driverError(error);
  return code !== undefined && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

/**
 * True for a unique violation (23505) of the named constraint or index. Of a table that is split into months, each
 * month has its own, with the month behind the table's name: `orders_202611_pkey` is `orders_pkey`.
 */
export function violatesUnique(error: unknown, constraint: string): boolean {
  if (sqlState(error) !== '23505') return false;
  return driverError(error).constraint?.replace(/_\d{6}_/, '_') === constraint;
}

/** A row that belongs to a month whose partitions do not exist. */
export interface RowWithoutPartition {
  readonly table: string;
  /** The value that tells its month, as PostgreSQL writes it. */
  readonly key: string;
}

/** The row that found no partition, if that is what went wrong. */
export function rowWithoutPartition(error: unknown): RowWithoutPartition | undefined {
  // PostgreSQL reports it as a check that was violated and has no name; the texts depend on the server's language.
  if (sqlState(error) !== '23514') return undefined;
  const { table, constraint, detail } = driverError(error);
  const key = /^[^(]*\([^()]+\) = \((.+)\)/.exec(detail ?? '')?.[1];
  return table === undefined || constraint !== undefined || key === undefined ? undefined : { table, key };
}

/** Deadlock and serialization failures: the transaction was rolled back and may simply run again. */
export function isTransactionConflict(error: unknown): boolean {
  const state = sqlState(error);
  return state === '40P01' || state === '40001';
}

/** A lock was not granted within `lock_timeout`. */
export function isLockTimeout(error: unknown): boolean {
  return sqlState(error) === '55P03';
}

/** The pool had no free connection within its time limit. */
export function isPoolTimeout(error: unknown): boolean {
  return error instanceof Error && error.message === 'timeout exceeded when trying to connect';
}

// 08: connection exceptions; 57P01-57P05: the server is stopping, starting or has crashed; 53300: too many clients.
const UNAVAILABLE_STATES = /^(08...|57P0[1-5]|53300)$/;
const UNAVAILABLE_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);
// The driver reports a connection that ends under a running query by message alone.
const UNAVAILABLE_MESSAGES =
  /^(Connection terminated|Client has encountered a connection error|Client was closed|Query read timeout)/;

/** The connection is gone or could not be made. What ran on it is rolled back, unless it was the COMMIT itself. */
export function isConnectionLost(error: unknown): boolean {
  const state = sqlState(error);
  if (state !== undefined && UNAVAILABLE_STATES.test(state)) return true;
  const { code } = driverError(error);
  if (code !== undefined && UNAVAILABLE_CODES.has(code)) return true;
  // Within a transaction TypeORM releases the connection by itself for one reason only: it broke between two statements.
  if (error instanceof QueryRunnerAlreadyReleasedError) return true;
  if (error instanceof QueryRunnerProviderAlreadyReleasedError) return true;
  return error instanceof Error && UNAVAILABLE_MESSAGES.test(error.message);
}
