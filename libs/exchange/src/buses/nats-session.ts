import {
  DiscardPolicy,
  jetstream,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
} from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';

/** A connection to the broker, from its first byte to its last. */
export interface NatsSession {
  readonly connection: NatsConnection;
  readonly client: JetStreamClient;
  readonly manager: JetStreamManager;
}

/** The stream that keeps the messages. */
export interface StreamOptions {
  readonly name: string;
  /** Of all subjects that it keeps. */
  readonly prefix: string;
  readonly maxBytes: number;
}

const CONNECT_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 5_000;
// A broker that is gone without a word is noticed by these, or by the next request.
const PING_EVERY_MS = 5_000;
const PINGS_UNANSWERED = 2;
const DEFAULT_PORT = '4222';

/**
 * Connects once. A connection that breaks is not mended: what was under way would be sent again, and might find a broker that
 * has lost its disk meanwhile.
 */
export async function openSession(url: string): Promise<NatsSession> {
  const { hostname, port, protocol, username, password } = new URL(url);
  const [user, secret] = [decodeURIComponent(username), decodeURIComponent(password)];
  const connection = await connect({
    servers: `${hostname}:${port || DEFAULT_PORT}`,
    ...(user !== '' && (secret === '' ? { token: user } : { user, pass: secret })),
    ...(protocol === 'tls:' && { tls: {} }),
    name: 'daybook',
    reconnect: false,
    timeout: CONNECT_TIMEOUT_MS,
    pingInterval: PING_EVERY_MS,
    maxPingOut: PINGS_UNANSWERED,
    noAsyncTraces: true,
  });
  try {
    const manager = await jetstreamManager(connection, { timeout: REQUEST_TIMEOUT_MS });
    return { connection, manager, client: jetstream(connection, { timeout: REQUEST_TIMEOUT_MS }) };
  } catch (error) {
    await connection.close();
    throw error;
  }
}

/**
 * Makes the stream unless it is there. One that an operator has made or changed, so that it is kept by several servers for
 * instance, is left as it is but for what the bus stands on.
 */
export async function ensureStream(
  { manager }: NatsSession,
  { name, prefix, maxBytes }: StreamOptions,
): Promise<void> {
  const required = {
    subjects: [`${prefix}.*`],
    retention: RetentionPolicy.Limits,
    // What is full refuses, and the venue keeps what comes then. By the other rule the oldest would go, which nobody has applied.
    discard: DiscardPolicy.New,
    // Nor does anything go because it is old: only what is applied does.
    max_age: 0,
    allow_direct: true,
  };
  const found = await manager.streams.info(name).catch((error: unknown) => {
    if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound)
      return undefined;
    throw error;
  });
  if (found === undefined) {
    await manager.streams.add({ name, storage: StorageType.File, max_bytes: maxBytes, ...required });
    return;
  }
  const { discard, max_age: maxAge, allow_direct: isDirect } = found.config;
  if (discard !== required.discard || maxAge !== 0 || !isDirect)
    await manager.streams.update(name, { ...found.config, ...required });
}
