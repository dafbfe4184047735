import { defined, type EnvironmentReader, isHttpUrl } from './environment-reader.js';

/** The way to the venue where exchange orders are placed. */
export interface ExchangeConfig {
  /** Where the venue answers; absent: there is none, and exchange orders are refused. */
  readonly url?: string;
  /** What the venue there is called: its orders, its reports and how far they are read are told by it from another's. */
  readonly venue: string;
  /** Sent along as a bearer token. */
  readonly token?: string;
  /** How long an answer of the venue is waited for; then the outcome of a placement is unknown. */
  readonly timeoutMs: number;
  /** Placements under way at the venue at a time; half as many requests besides, for finding out and cancelling. */
  readonly connections: number;
  /** NATS JetStream between the receiver and the consumers, with what it wants to be told; absent: a table in the database. */
  readonly natsUrl?: string;
}

export function readExchangeConfig(read: EnvironmentReader): ExchangeConfig {
  return {
    ...defined('url', read.optional('EXCHANGE_URL', isHttpUrl, 'must be an http(s) URL')),
    venue: read.text('EXCHANGE_VENUE', 'XSIM', isMic, 'must be four of A-Z and 0-9, as a MIC (ISO 10383) is'),
    ...defined(
      'token',
      read.secret('EXCHANGE_TOKEN', (value) => value !== '', 'must not be empty'),
    ),
    timeoutMs: read.integer('EXCHANGE_TIMEOUT_MS', 4_000, 100, 60_000),
    connections: read.integer('EXCHANGE_CONNECTIONS', 64, 1, 1_000),
    ...defined('natsUrl', read.secret('NATS_URL', isNatsUrl, 'must be a nats:// or tls:// URL')),
  };
}

const isMic = (value: string) => /^[A-Z0-9]{4}$/.test(value);
const isNatsUrl = (value: string) => ['nats:', 'tls:'].includes(URL.parse(value)?.protocol ?? '');
