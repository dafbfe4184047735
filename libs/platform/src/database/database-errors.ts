import {
  QueryFailedError,
  QueryRunnerAlreadyReleasedError,
  QueryRunnerProviderAlreadyReleasedError,
} from 'typeorm';

/** The SQLSTATE and constraint of a database error, as the driver reports them. */
interface DriverError {
  readonly code?: string;
  readonly constraint?: string;
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

/** True for a unique violation (23505) of the named constraint or index. */
export function violatesUnique(error: unknown, constraint: string): boolean {
  return sqlState(error) === '23505' && driverError(error).constraint === constraint;
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
