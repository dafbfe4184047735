import { readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { type EmbeddedPostgres, projectRoot, startEmbeddedPostgres } from '@daybook/platform';
import pg from 'pg';

import { inDatabase } from '../support/database.js';
import { type ServerProcess, startServerProcess } from '../support/server-process.js';
import { waitFor } from '../support/wait-for.js';

const RECOVERY_LIMIT_MS = 90_000;

export interface SiteOptions {
  /** A server to use instead of one's own; then PostgreSQL cannot be killed. */
  readonly databaseUrl?: string | undefined;
  /** For the database, and for the folder of the own PostgreSQL. */
  readonly name: string;
}

/** A PostgreSQL and a Daybook in processes of their own, which can be killed and come back. */
export class Site {
  private server: ServerProcess | undefined;

  private constructor(
    /** Of the database made for this site. */
    readonly databaseUrl: string,
    private readonly adminUrl: string,
    private readonly postgres: EmbeddedPostgres | undefined,
    private readonly home: string,
  ) {}

  static async open({ databaseUrl, name }: SiteOptions): Promise<Site> {
    const home = join(projectRoot(), '.daybook', name);
    const postgres = databaseUrl === undefined ? await startEmbeddedPostgres({ home }) : undefined;
    const adminUrl = databaseUrl ?? (postgres as EmbeddedPostgres).url;
    const database = `daybook_${name.replaceAll('-', '_')}`;
    const site = new Site(inDatabase(adminUrl, database), adminUrl, postgres, home);
    try {
      await site.dropDatabase();
      await query(adminUrl, `CREATE DATABASE ${database}`);
      await refuseUnsafe(site.databaseUrl);
      await site.startServer();
      return site;
    } catch (error) {
      await site.close();
      throw error;
    }
  }

  get origin(): string {
    if (this.server === undefined) throw new Error('No server is running');
    return this.server.origin;
  }

  /** What the server has said since its start. */
  get output(): string {
    return this.server?.output() ?? '';
  }

  get canKillPostgres(): boolean {
    return this.postgres !== undefined;
  }

  async startServer(): Promise<void> {
    this.server = await startServerProcess({ DATABASE_URL: this.databaseUrl, LOG_LEVEL: 'error' });
  }

  /** kill -9, without a word of warning. */
  async killServer(): Promise<void> {
    await this.server?.end('SIGKILL');
    this.server = undefined;
  }

  /** kill -9 of the postmaster; its keeper in this process brings it back. */
  async killPostgres(): Promise<void> {
    if (this.postgres === undefined) throw new Error('Somebody else runs this PostgreSQL');
    const pidFile = await readFile(join(this.postgres.dataDirectory, 'postmaster.pid'), 'utf8');
    process.kill(Number(pidFile.split('\n')[0]), 'SIGKILL');
  }

  /** Resolves when the database takes connections again. */
  async databaseReady(): Promise<void> {
    await waitFor(
      'the database to come back',
      () =>
        query(this.databaseUrl, 'SELECT').then(
          () => true,
          () => false,
        ),
      RECOVERY_LIMIT_MS,
    );
  }

  query<Row>(text: string, values: unknown[] = []): Promise<Row[]> {
    return query<Row>(this.databaseUrl, text, values);
  }

  /** Ends everything this site has started, in any state. The folder of PostgreSQL goes, too. */
  async close(): Promise<void> {
    await this.killServer();
    if (this.postgres === undefined) return this.dropDatabase();
    await this.postgres.stop();
    // The data may live elsewhere, where PostgreSQL's own account can reach it.
    for (const folder of [dirname(this.postgres.dataDirectory), this.home]) {
      await rm(folder, { recursive: true, force: true });
    }
  }

  private async dropDatabase(): Promise<void> {
    await query(
      this.adminUrl,
      `DROP DATABASE IF EXISTS ${new URL(this.databaseUrl).pathname.slice(1)} WITH (FORCE)`,
    );
  }
}

async function query<Row>(url: string, text: string, values: unknown[] = []): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  // What breaks the connection is told by the query that it breaks.
  client.on('error', () => undefined);
  try {
    await client.connect();
    return (await client.query(text, values)).rows as Row[];
  } finally {
    await client.end();
  }
}

/** A server that may lose what it has committed would fail the campaign for reasons of its own. */
async function refuseUnsafe(url: string): Promise<void> {
  const unsafe = await query<{ name: string }>(
    url,
    `SELECT name FROM unnest('{fsync,full_page_writes,synchronous_commit}'::text[]) AS name
     WHERE current_setting(name) = 'off'`,
  );
  if (unsafe.length > 0)
    throw new Error(`This PostgreSQL is not durable: ${unsafe.map(({ name }) => name).join()} is off`);
}
