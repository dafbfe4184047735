import { isIP } from 'node:net';

import { defined, EnvironmentReader, isHttpUrl, isLongEnough } from './environment-reader.js';
import { type ExchangeConfig, readExchangeConfig } from './exchange-config.js';
import { type ProcessingConfig, readProcessingConfig } from './processing-config.js';
import { readTracingConfig, type TracingConfig } from './tracing-config.js';

/** Everything an operator can set, read once at start. Durations are integers with the unit in the name. */
export interface DaybookConfig {
  /** Absent: Daybook runs a PostgreSQL of its own. */
  readonly databaseUrl?: string;
  readonly databasePoolSize: number;
  /** Connections of their own for lists, exports and feeds. */
  readonly listPoolSize: number;
  /** How long one statement of a list may take before it is given up. */
  readonly listTimeBudgetMs: number;
  readonly port: number;
  readonly host: string;
  readonly roles: readonly ProcessRole[];
  readonly businessTimezone: string;
  readonly orderNumberStrategy: 'sequence' | 'gapless';
  /** How many days the counters of past days are kept; the numbers themselves stay for ever. */
  readonly orderNumberRetentionDays: number;
  readonly allocationStrategy: 'fewest-parcels' | 'by-priority';
  /** How long a reservation holds its stock, unless it says otherwise. */
  readonly reservationTtlSeconds: number;
  /** Reservations that were made longer ago than this and have ended are deleted. */
  readonly reservationRetentionDays: number;
  /** An order that has been processing for longer has got stuck. */
  readonly orderStuckAfterSeconds: number;
  readonly orderStuckAction: 'requeue' | 'fail';
  readonly processing: ProcessingConfig;
  readonly exchange: ExchangeConfig;
  /** How often the periodic report is made. */
  readonly reportIntervalSeconds: number;
  readonly auth: AuthConfig;
  /** Whole months of orders and journal to keep behind the current one; absent: all of them. */
  readonly retentionMonths?: number;
  /** Requests per caller and minute; absent: no limit. */
  readonly rateLimitPerMinute?: number;
  /** Absent: nothing is traced. */
  readonly tracing?: TracingConfig;
  readonly logLevel: LogLevel;
  /** Undefined: only on an empty embedded database. */
  readonly loadDemoData?: boolean;
}

export interface AuthConfig {
  readonly jwtSecret?: string;
  readonly jwksUrl?: string;
  readonly issuer?: string;
  readonly audience?: string;
}

export const PROCESS_ROLES = ['api', 'worker', 'scheduler', 'receiver', 'consumer'] as const;
export type ProcessRole = (typeof PROCESS_ROLES)[number];

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** The dependency injection token of {@link DaybookConfig}. */
export const CONFIG = Symbol('DaybookConfig');

/** Thrown at start; lists every bad variable, so that one restart is enough to mend them all. */
export class InvalidConfiguration extends Error {
  constructor(readonly problems: readonly string[]) {
    super(`The configuration is not usable:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
    this.name = 'InvalidConfiguration';
  }
}

/**
 * Reads the configuration from environment variables. `NAME_FILE` names a file that holds the value of a secret.
 * @throws {InvalidConfiguration} naming every variable that is missing, malformed or contradicts another.
 */
export function loadConfig(environment: NodeJS.ProcessEnv): DaybookConfig {
  const read = new EnvironmentReader(environment);
  const config: DaybookConfig = {
    ...defined('databaseUrl', read.secret('DATABASE_URL', isPostgresUrl, 'must be a postgres:// URL')),
    databasePoolSize: read.integer('DATABASE_POOL_SIZE', 20, 4, 500),
    listPoolSize: read.integer('LIST_POOL_SIZE', 5, 1, 100),
    listTimeBudgetMs: read.integer('LIST_TIME_BUDGET_MS', 1_000, 50, 60_000),
    port: read.integer('PORT', 3000, 0, 65535),
    host: read.text('HOST', '127.0.0.1', isHost, 'must be an IP address or a host name'),
    roles: read.choices('DAYBOOK_ROLES', PROCESS_ROLES),
    businessTimezone: read.text('BUSINESS_TIMEZONE', 'UTC', isTimezone, 'must be an IANA time zone'),
    orderNumberStrategy: read.choice('ORDER_NUMBER_STRATEGY', 'sequence', ['sequence', 'gapless']),
    orderNumberRetentionDays: read.integer('ORDER_NUMBER_RETENTION_DAYS', 30, 2, 36_500),
    allocationStrategy: read.choice('ALLOCATION_STRATEGY', 'fewest-parcels', [
      'fewest-parcels',
      'by-priority',
    ]),
    reservationTtlSeconds: read.integer('RESERVATION_TTL_SECONDS', 600, 1, 86_400),
    reservationRetentionDays: read.integer('RESERVATION_RETENTION_DAYS', 30, 2, 36_500),
    orderStuckAfterSeconds: read.integer('ORDER_STUCK_AFTER_SECONDS', 3600, 60, 2_592_000),
    orderStuckAction: read.choice('ORDER_STUCK_ACTION', 'requeue', ['requeue', 'fail']),
    processing: readProcessingConfig(read),
    exchange: readExchangeConfig(read),
    reportIntervalSeconds: read.integer('REPORT_INTERVAL_SECONDS', 60, 1, 86_400),
    auth: {
      ...defined(
        'jwtSecret',
        read.secret('AUTH_JWT_SECRET', isLongEnough, 'must have at least 32 characters'),
      ),
      ...defined('jwksUrl', read.optional('AUTH_JWKS_URL', isHttpUrl, 'must be an http(s) URL')),
      ...defined('issuer', read.optional('AUTH_ISSUER', isNotEmpty, 'must not be empty')),
      ...defined('audience', read.optional('AUTH_AUDIENCE', isNotEmpty, 'must not be empty')),
    },
    ...defined('retentionMonths', read.optionalInteger('RETENTION_MONTHS', 2, 1_200)),
    ...defined('rateLimitPerMinute', read.optionalInteger('RATE_LIMIT_PER_MINUTE', 1, 1_000_000_000)),
    ...defined('tracing', readTracingConfig(read)),
    logLevel: read.choice('LOG_LEVEL', 'info', LOG_LEVELS),
    ...defined('loadDemoData', read.optionalBoolean('LOAD_DEMO_DATA')),
  };
  checkAuth(config, read.problems);
  checkStuck(config, read.problems);
  if (read.problems.length > 0) throw new InvalidConfiguration(read.problems);
  return config;
}

/** True when only this machine can reach the host: development conveniences are allowed there. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

export function hasAuthConfiguration(auth: AuthConfig): boolean {
  return auth.jwtSecret !== undefined || auth.jwksUrl !== undefined;
}

/** Else the job that looks for stuck orders would take them from workers that are still at it. */
function checkStuck({ orderStuckAfterSeconds, processing }: DaybookConfig, problems: string[]): void {
  const { processor, timeLimitSeconds, callbackTimeoutSeconds } = processing;
  const longest = timeLimitSeconds + (processor === 'http' ? callbackTimeoutSeconds : 0);
  if (orderStuckAfterSeconds <= longest)
    problems.push(`ORDER_STUCK_AFTER_SECONDS must be more than ${longest}, what an attempt may take`);
}

function checkAuth(config: DaybookConfig, problems: string[]): void {
  if (config.auth.jwtSecret !== undefined && config.auth.jwksUrl !== undefined) {
    problems.push('AUTH_JWT_SECRET and AUTH_JWKS_URL exclude each other: set one of them');
  }
  if (isHost(config.host) && !isLoopback(config.host) && !hasAuthConfiguration(config.auth)) {
    problems.push(`HOST=${config.host} can be reached from outside: set AUTH_JWT_SECRET or AUTH_JWKS_URL`);
  }
}

const isNotEmpty = (value: string) => value !== '';
const isHost = (value: string) => isIP(value) !== 0 || /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(value);
const isPostgresUrl = (value: string) =>
  ['postgres:', 'postgresql:'].includes(URL.parse(value)?.protocol ?? '');

function isTimezone(value: string): boolean {
  // Intl takes offsets as well, but PostgreSQL reads +01:00 as POSIX does: west of Greenwich.
  if (!/^[A-Za-z]/.test(value)) return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: value });
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}
