import { readdir, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { type EmbeddedPostgres, projectRoot, startEmbeddedPostgres } from '@daybook/platform';
import pg from 'pg';

import { inDatabase } from '../support/database.js';
import { type ServerProcess, startServerProcess } from '../support/server-process.js';
import { waitFor } from '../support/wait-for.js';

const RECOVERY_LIMIT_MS = 90_000;
const HOMES = join(projectRoot(), '.daybook');
const HOME = /^chaos-(\d+)$/;

export interface SiteOptions {
  /** A server to use instead of one's own; then PostgreSQL cannot be killed. */
  readonly databaseUrl?: string | undefined;
  /** How the server numbers orders; default: sequence. */
  readonly strategy?: Strategy;
  /** How many servers there are; default: one. */
  readonly processes?: number;
  /** What else they are configured with. */
  readonly environment?: NodeJS.ProcessEnv;
}

export const STRATEGIES = ['sequence', 'gapless'] as const;
export type Strategy = (typeof STRATEGIES)[number];

/** A PostgreSQL and one or more Daybooks in processes of their own, which can be killed and come back. */
export class Site {
  private servers: readonly ServerProcess[] = [];
  private starting: readonly Promise<ServerProcess>[] = [];
  private isClosed = false;

  private constructor(
    /** Of the database made for this site. */
    readonly databaseUrl: string,
    private readonly adminUrl: string,
    private readonly postgres: EmbeddedPostgres | undefined,
    private readonly home: string,
    readonly strategy: Strategy,
    private readonly processes: number,
    private readonly environment: NodeJS.ProcessEnv,
  ) {}

  static async open(options: SiteOptions = {}): Promise<Site> {
    const { databaseUrl, strategy = 'sequence', processes = 1, environment = {} } = options;
    const home = join(HOMES, `chaos-${process.pid}`);
    if (databaseUrl === undefined) await removeAbandoned();
    const postgres = databaseUrl === undefined ? await startEmbeddedPostgres({ home }) : undefined;
    const adminUrl = databaseUrl ?? (postgres as EmbeddedPostgres).url;
    const database = `daybook_chaos_${process.pid}`;
    const url = inDatabase(adminUrl, database);
    const site = new Site(url, adminUrl, postgres, home, strategy, processes, environment);
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

  /** Of the first server. */
  get origin(): string {
    const [first] = this.origins;
    if (first === undefined) throw new Error('No server is running');
    return first;
  }

  get origins(): readonly string[] {
    return this.servers.map(({ origin }) => origin);
  }

  /** What the servers have said since their start. */
  get output(): string {
    return this.servers.map((server) => server.output()).join('');
  }

  get canKillPostgres(): boolean {
    return this.postgres !== undefined;
  }

  async startServer(): Promise<void> {
    if (this.isClosed) throw new Error('The site is closed');
    this.starting = Array.from({ length: this.processes }, () =>
      startServerProcess({
        DATABASE_URL: this.databaseUrl,
        ORDER_NUMBER_STRATEGY: this.strategy,
        LOG_LEVEL: 'error',
        ...this.environment,
      }),
    );
    this.servers = await Promise.all(this.starting);
  }

  /** kill -9, without a word of warning. */
  async killServer(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.end('SIGKILL')));
    this.servers = [];
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
    this.isClosed = true;
    // One that is just being started must not outlive the site; one that failed to start has ended.
    await Promise.allSettled(this.starting.map(async (server) => (await server).end('SIGKILL')));
    if (this.postgres === undefined) return this.dropDatabase();
    await remove(this.postgres, this.home);
  }

  private async dropDatabase(): Promise<void> {
    await query(
      this.adminUrl,
      `DROP DATABASE IF EXISTS ${new URL(this.databaseUrl).pathname.slice(1)} WITH (FORCE)`,
    );
  }
}

/** The PostgreSQL of a campaign that was itself killed runs on without anybody: it is taken over, and ended. */
async function removeAbandoned(): Promise<void> {
  const names = await readdir(HOMES).catch(() => []);
  for (const name of names) {
    const owner = HOME.exec(name)?.[1];
    if (owner === undefined || isAlive(Number(owner))) continue;
    const home = join(HOMES, name);
    await remove(await startEmbeddedPostgres({ home }), home);
  }
}

function isAlive(processId: number): boolean {
  try {
    return process.kill(processId, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function remove(postgres: EmbeddedPostgres, home: string): Promise<void> {
  await postgres.stop();
  // The data may live elsewhere, where PostgreSQL's own account can reach it.
  for (const folder of [dirname(postgres.dataDirectory), home])
    await rm(folder, { recursive: true, force: true });
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
