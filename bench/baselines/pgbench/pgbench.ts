import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, globSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { owned } from '../../support/lifetime.ts';

/** How pgbench talks to the server: a round trip a statement, or one for the whole order. */
export const SCRIPTS = ['statements', 'pipelined'] as const;
export type Script = (typeof SCRIPTS)[number];

export interface PgbenchRun {
  databaseUrl: string;
  script: Script;
  clients: number;
  seconds: number;
  /** The products ordered, by id; the same twice for the hot product. */
  lowest: number;
  highest: number;
  day: number;
}

export interface PgbenchResult {
  script: Script;
  clients: number;
  orders: number;
  perSecond: number;
  averageMs: number;
}

/** pgbench comes with a server's packages and is often not in the path. */
export function findPgbench(): string | undefined {
  const inPath = (process.env.PATH ?? '').split(delimiter).map((directory) => join(directory, 'pgbench'));
  const packaged = globSync('/usr/lib/postgresql/*/bin/pgbench').sort().reverse();
  return [...inPath, ...packaged].find((path) => existsSync(path));
}

/** @throws when a transaction failed: the script takes its locks in order, so nothing may */
export async function runPgbench(program: string, run: PgbenchRun): Promise<PgbenchResult> {
  const variables = { lowest: run.lowest, highest: run.highest, day: run.day };
  const words = [
    '--no-vacuum',
    '--protocol=prepared',
    '--jobs=2',
    `--client=${run.clients}`,
    `--time=${run.seconds}`,
    ...Object.entries(variables).map(([name, value]) => `--define=${name}=${value}`),
    `--file=${join(import.meta.dirname, `${run.script}.sql`)}`,
  ];
  const child = spawn(program, words, {
    env: connectionOf(run.databaseUrl),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let complaints = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (complaints += chunk.toString()));
  const closed = once(child, 'close');
  const stop = owned(async () => {
    child.kill('SIGKILL');
    await closed;
  });
  await closed;
  await stop();
  if (child.exitCode !== 0) throw new Error(`pgbench failed:\n${complaints.slice(0, 2_000)}`);
  return {
    script: run.script,
    clients: run.clients,
    orders: read(output, /transactions actually processed: (\d+)/),
    perSecond: read(output, /^tps = ([\d.]+)/m),
    averageMs: read(output, /^latency average = ([\d.]+) ms/m),
  };
}

function read(output: string, pattern: RegExp): number {
  const number = pattern.exec(output)?.[1];
  if (number === undefined) throw new Error(`pgbench said something else than expected:\n${output}`);
  return Number(number);
}

function connectionOf(databaseUrl: string): NodeJS.ProcessEnv {
  const url = new URL(databaseUrl);
  return {
    PATH: process.env.PATH,
    PGHOST: url.hostname,
    PGPORT: url.port || '5432',
    PGUSER: decodeURIComponent(url.username),
    PGPASSWORD: decodeURIComponent(url.password),
    PGDATABASE: url.pathname.slice(1),
    LC_ALL: 'C',
  };
}
