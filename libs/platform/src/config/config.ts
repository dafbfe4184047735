import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';

/** Everything an operator can set, read once at start. Durations are integers with the unit in the name. */
export interface DaybookConfig {
  /** Absent: Daybook runs a PostgreSQL of its own. */
  readonly databaseUrl?: string;
  readonly databasePoolSize: number;
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
  /** Reservations that ended longer ago than this are deleted. */
  readonly reservationRetentionDays: number;
  /** An order that has been processing for longer has got stuck. */
  readonly orderStuckAfterSeconds: number;
  readonly orderStuckAction: 'requeue' | 'fail';
  readonly auth: AuthConfig;
  /** Whole months of orders and journal to keep behind the current one; absent: all of them. */
  readonly retentionMonths?: number;
  /** Requests per caller and minute; absent: no limit. */
  readonly rateLimitPerMinute?: number;
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

export const PROCESS_ROLES = ['api', 'worker', 'scheduler'] as const;
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
    port: read.integer('PORT', 3000, 0, 65535),
    host: read.text('HOST', '127.0.0.1', isHost, 'must be an IP address or a host name'),
    roles: read.roles('DAYBOOK_ROLES'),
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
    logLevel: read.choice('LOG_LEVEL', 'info', LOG_LEVELS),
    ...defined('loadDemoData', read.optionalBoolean('LOAD_DEMO_DATA')),
  };
  checkAuth(config, read.problems);
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

function checkAuth(config: DaybookConfig, problems: string[]): void {
  if (config.auth.jwtSecret !== undefined && config.auth.jwksUrl !== undefined) {
    problems.push('AUTH_JWT_SECRET and AUTH_JWKS_URL exclude each other: set one of them');
  }
  if (isHost(config.host) && !isLoopback(config.host) && !hasAuthConfiguration(config.auth)) {
    problems.push(`HOST=${config.host} can be reached from outside: set AUTH_JWT_SECRET or AUTH_JWKS_URL`);
  }
}

/** Reads variables one by one and collects what is wrong with them. An empty value counts as absent. */
class EnvironmentReader {
  readonly problems: string[] = [];

  constructor(private readonly environment: NodeJS.ProcessEnv) {}

  optional(name: string, accepts: (value: string) => boolean, complaint: string): string | undefined {
    const value = this.environment[name]?.trim();
    if (value === undefined || value === '') return undefined;
    if (!accepts(value)) this.problems.push(`${name} ${complaint}`);
    return value;
  }

  text(name: string, fallback: string, accepts: (value: string) => boolean, complaint: string): string {
    return this.optional(name, accepts, complaint) ?? fallback;
  }

  secret(name: string, accepts: (value: string) => boolean, complaint: string): string | undefined {
    const path = this.environment[`${name}_FILE`];
    if (path === undefined || path === '') return this.optional(name, accepts, complaint);
    if (this.optional(name, () => true, '') !== undefined) {
      this.problems.push(`${name} and ${name}_FILE exclude each other: set one of them`);
    }
    try {
      const value = readFileSync(path, 'utf8').trim();
      if (!accepts(value)) this.problems.push(`${name}_FILE: its content ${complaint}`);
      return value;
    } catch (error) {
      this.problems.push(`${name}_FILE cannot be read: ${(error as Error).message}`);
      return undefined;
    }
  }

  optionalInteger(name: string, minimum: number, maximum: number): number | undefined {
    const complaint = `must be a whole number from ${minimum} to ${maximum}`;
    const inRange = (value: string) => /^\d+$/.test(value) && +value >= minimum && +value <= maximum;
    const value = this.optional(name, inRange, complaint);
    return value === undefined ? undefined : Number(value);
  }

  integer(name: string, fallback: number, minimum: number, maximum: number): number {
    return this.optionalInteger(name, minimum, maximum) ?? fallback;
  }

  choice<T extends string>(name: string, fallback: T, choices: readonly T[]): T {
    const isChoice = (value: string) => (choices as readonly string[]).includes(value);
    return this.text(name, fallback, isChoice, `must be one of ${choices.join(', ')}`) as T;
  }

  optionalBoolean(name: string): boolean | undefined {
    const value = this.optional(name, (text) => text === 'true' || text === 'false', 'must be true or false');
    return value === undefined ? undefined : value === 'true';
  }

  roles(name: string): readonly ProcessRole[] {
    const split = (value: string) => value.split(',').map((role) => role.trim());
    const known = (value: string) =>
      split(value).every((role) => PROCESS_ROLES.includes(role as ProcessRole));
    const value = this.text(
      name,
      PROCESS_ROLES.join(),
      known,
      `must list some of ${PROCESS_ROLES.join(', ')}`,
    );
    return split(value) as ProcessRole[];
  }
}

function defined<K extends string, V>(key: K, value: V | undefined): Partial<Record<K, V>> {
  return value === undefined ? {} : ({ [key]: value } as Record<K, V>);
}

const isNotEmpty = (value: string) => value !== '';
const isLongEnough = (value: string) => value.length >= 32;
const isHost = (value: string) => isIP(value) !== 0 || /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(value);
const isHttpUrl = (value: string) => ['http:', 'https:'].includes(URL.parse(value)?.protocol ?? '');
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
