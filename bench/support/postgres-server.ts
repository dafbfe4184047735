import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Client } from 'pg';
import { owned } from './lifetime.ts';
import { median } from './statistics.ts';
import { showProgress } from './terminal.ts';

// The cluster of the benchmark's own server lies beside Daybook's, on a disk, and not in a /tmp in memory.
const HOME = new URL('../../.daybook/bench', import.meta.url).pathname;

// Lets Node load a library of Daybook's: beyond stripping types, that needs the compiler.
const TYPESCRIPT = new URL('../../scripts/typescript.mjs', import.meta.url).href;

// Without these a commit is not durable, and a figure without durability would be worth nothing.
const DURABLE = ['fsync', 'synchronous_commit', 'full_page_writes'];
const TOLD = [...DURABLE, 'wal_sync_method', 'shared_buffers', 'max_wal_size', 'max_connections'];

const COMMITS_TIMED = 100;

// Any number that nobody else locks.
const ONE_AT_A_TIME = 2_026_112_000;

export interface PostgresServer {
  /** A superuser's URL, from which the benchmark makes its databases. */
  url: string;
  version: string;
  settings: Record<string, string>;
  /** What one small durable commit takes on this disk, on one connection: the median of many. */
  commitMs: number;
}

/** The server named, or else one of the benchmark's own, which is stopped at the end. */
export async function openPostgres(databaseUrl: string | undefined): Promise<PostgresServer> {
  const url = databaseUrl ?? (await startOwnServer());
  const client = new Client({ connectionString: url });
  await client.connect();
  owned(() => client.end());
  await refuseCompany(client);
  const { rows } = await client.query<{ name: string; setting: string }>(
    `SELECT name, current_setting(name) AS setting FROM pg_settings WHERE name = ANY ($1)`,
    [[...TOLD, 'server_version']],
  );
  const settings = Object.fromEntries(rows.map(({ name, setting }) => [name, setting]));
  const unsafe = DURABLE.filter((name) => settings[name] !== 'on');
  if (unsafe.length > 0)
    throw new Error(`refusing to measure a server that is not durable: ${unsafe.join(', ')}`);
  const { server_version: version = '', ...told } = settings;
  return { url, version: version.replace(/ .*/, ''), settings: told, commitMs: await timeCommits(client) };
}

/** Group commit saves commits, so how dear one is says how much there is to save. */
async function timeCommits(client: Client): Promise<number> {
  const times: number[] = [];
  for (let commit = 0; commit < COMMITS_TIMED; commit++) {
    const begin = performance.now();
    await client.query(`SELECT pg_logical_emit_message(true, 'daybook-bench', '')`);
    times.push(performance.now() - begin);
  }
  return median(times);
}

/** Two benchmarks at once would measure each other and drop each other's databases. Held to the run's end. */
async function refuseCompany(client: Client): Promise<void> {
  const { rows } = await client.query<{ alone: boolean }>('SELECT pg_try_advisory_lock($1) AS alone', [
    ONE_AT_A_TIME,
  ]);
  if (rows[0]?.alone !== true) throw new Error('another benchmark is running on this server');
}

/** The PostgreSQL that Daybook brings along, with the settings it runs with by default. */
async function startOwnServer(): Promise<string> {
  showProgress('starting PostgreSQL …');
  await import(TYPESCRIPT);
  const { startEmbeddedPostgres } = await import('@daybook/platform');
  const server = await startEmbeddedPostgres({ home: HOME });
  owned(() => server.stop());
  await allowCheckpoints(server);
  return server.url;
}

/** Between two measurements everything dirty is written out, which Daybook's own role has no need to do. */
async function allowCheckpoints({
  url,
  dataDirectory,
}: {
  url: string;
  dataDirectory: string;
}): Promise<void> {
  const password = await readFile(join(dirname(dataDirectory), 'superuser-password'), 'utf8');
  const asSuperuser = Object.assign(new URL(url), { username: 'postgres', password: password.trim() });
  const client = new Client({ connectionString: asSuperuser.href });
  await client.connect();
  await client.query(`GRANT pg_checkpoint TO ${new URL(url).username}`);
  await client.end();
}
