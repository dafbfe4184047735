import pg from 'pg';

import { EmbeddedPostgresError, isSystemError, messageOf } from './embedded-postgres.errors.js';
import type { ServerSettings } from './server-settings.js';

/** The administrator, whom initdb makes. Daybook's own work never runs under this name. */
export const SUPERUSER = 'postgres';
/** The role of the application and its database: owner of everything in it, and no more. */
export const APPLICATION = 'daybook';

/** Every Daybook process that uses the server holds this lock shared; who gets it exclusively is alone. */
const PRESENCE_LOCK = 1;
const SETUP_LOCK = 2;

/** What a server says or does while it starts, recovers or stops. */
const NOT_NOW = ['ECONNREFUSED', 'ECONNRESET', 'EPIPE', '57P01', '57P02', '57P03', '53300'];
const CONNECTION_LOST = /^(Connection terminated|timeout expired|Client has encountered a connection error)/;
const WRONG_PASSWORD = ['28P01', '28000'];
const CONNECT_LIMIT_MS = 5_000;

/** What identifies the server of one cluster. */
export interface ServerIdentity {
  readonly dataDirectory: string;
  readonly superuserPassword: string;
}

/**
 * The administrator's connection that each Daybook process keeps open. It tells at once when the server dies, and
 * its lock tells the others that somebody still needs the server: the lock ends with the process, however that ends.
 */
export class ServerSession {
  private lost = false;
  private lossListener: () => void = () => undefined;

  private constructor(private readonly client: pg.Client) {
    client.once('end', () => {
      this.lost = true;
      this.lossListener();
    });
  }

  /** Undefined while the server does not accept connections yet, or no longer. */
  static async open(identity: ServerIdentity, port: number): Promise<ServerSession | undefined> {
    const client = new pg.Client({
      host: '127.0.0.1',
      port,
      user: SUPERUSER,
      password: identity.superuserPassword,
      database: 'postgres',
      application_name: 'daybook embedded-postgres',
      connectionTimeoutMillis: CONNECT_LIMIT_MS,
    });
    // The loss of a connection is also emitted as 'end', which is where it is dealt with.
    client.on('error', () => undefined);
    try {
      await client.connect();
      const session = new ServerSession(client);
      await session.proveIdentity(identity, port);
      if (await session.announcePresence()) return session;
      await client.end();
      return undefined;
    } catch (error) {
      await client.end();
      if (isConnectionLoss(error)) return undefined;
      if (isSystemError(error, ...WRONG_PASSWORD)) throw notOurs(identity, port, error);
      throw error;
    }
  }

  /** Called once, when the connection ends without close() having been called. */
  onLoss(listener: () => void): void {
    if (this.lost) queueMicrotask(listener);
    else this.lossListener = listener;
  }

  private async proveIdentity(identity: ServerIdentity, port: number): Promise<void> {
    const { rows } = await this.client.query<{ directory: string }>(
      `SELECT current_setting('data_directory') AS directory`,
    );
    if (rows[0]?.directory !== identity.dataDirectory) throw notOurs(identity, port);
  }

  /** False when somebody, being alone, is about to stop the server. */
  private async announcePresence(): Promise<boolean> {
    return this.tryLock('pg_try_advisory_lock_shared', PRESENCE_LOCK);
  }

  /** Whether no other Daybook process uses the server. While they ask, no other can join. */
  isAlone(): Promise<boolean> {
    return this.tryLock('pg_try_advisory_lock', PRESENCE_LOCK);
  }

  /** Lets others in again after isAlone(). */
  async admitOthers(): Promise<void> {
    await this.client.query('SELECT pg_advisory_unlock($1)', [PRESENCE_LOCK]);
  }

  /** Gives up the presence; true when nobody is left, and then nobody can come any more. */
  async leave(): Promise<boolean> {
    // The own shared lock goes first. Otherwise two that leave at the same moment would each see the other, and
    // the server would be left running without anybody.
    await this.client.query('SELECT pg_advisory_unlock_shared($1)', [PRESENCE_LOCK]);
    return this.isAlone();
  }

  private async tryLock(lock: string, key: number): Promise<boolean> {
    const { rows } = await this.client.query<{ locked: boolean }>(`SELECT ${lock}($1) AS locked`, [key]);
    return rows[0]?.locked === true;
  }

  /** The names of the settings that the running server has differently. */
  async deviatingSettings(wanted: ServerSettings): Promise<string[]> {
    const { rows } = await this.client.query<{ name: string }>(
      `SELECT name FROM unnest($1::text[], $2::text[]) AS wanted (name, value)
        WHERE current_setting(name) <> value`,
      [Object.keys(wanted), Object.values(wanted)],
    );
    return rows.map((row) => row.name);
  }

  /** Creates what is missing of the application's role and database. */
  async ensureApplication(password: string): Promise<void> {
    if (await this.hasApplication()) return;
    await this.client.query('SELECT pg_advisory_lock($1)', [SETUP_LOCK]);
    const { rows } = await this.client.query(`SELECT FROM pg_roles WHERE rolname = $1`, [APPLICATION]);
    if (rows.length === 0) {
      // CREATEDB, because tests clone their databases from a migrated template.
      const literal = this.client.escapeLiteral(password);
      await this.client.query(`CREATE ROLE ${APPLICATION} LOGIN CREATEDB PASSWORD ${literal}`);
    }
    if (!(await this.hasApplication())) {
      await this.client.query(`CREATE DATABASE ${APPLICATION} OWNER ${APPLICATION}`);
    }
    await this.client.query('SELECT pg_advisory_unlock($1)', [SETUP_LOCK]);
  }

  private async hasApplication(): Promise<boolean> {
    const { rows } = await this.client.query<{ complete: boolean }>(
      `SELECT count(*) = 1 AS complete FROM pg_database
         JOIN pg_roles ON pg_roles.oid = datdba WHERE datname = $1 AND rolname = $1`,
      [APPLICATION],
    );
    return rows[0]?.complete === true;
  }

  async close(): Promise<void> {
    this.lossListener = () => undefined;
    await this.client.end();
  }
}

/** Whether an error says no more than that the server is not there at the moment. */
export function isConnectionLoss(error: unknown): boolean {
  return isSystemError(error, ...NOT_NOW) || CONNECTION_LOST.test(messageOf(error));
}

function notOurs({ dataDirectory }: ServerIdentity, port: number, cause?: unknown): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    'not_our_server',
    `The PostgreSQL on port ${port} was started on ${dataDirectory}, but it does not accept the password kept ` +
      `beside that directory, or serves another one. Stop that server, and start Daybook again.`,
    { cause },
  );
}
