import { randomBytes } from 'node:crypto';

import pg from 'pg';

import { waitFor } from './wait-for.js';

/** The template of this run; `_of_<process id>` tells later runs whether it is still needed. */
export function nameTemplate(): string {
  return `template_of_${process.pid}`;
}

/** Whether the process that made a test database still runs; undefined for a database that no test made. */
export function isOwnerAlive(database: string): boolean | undefined {
  const owner = /_of_(\d+)$/.exec(database)?.[1];
  if (owner === undefined) return undefined;
  try {
    return process.kill(Number(owner), 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** The same server, another database. */
export function inDatabase(url: string, database: string): string {
  const target = new URL(url);
  target.pathname = `/${database}`;
  return target.href;
}

/** A database of a test's own, migrated and otherwise empty, and a client to look into it. */
export interface TestDatabase {
  readonly url: string;
  query<Row = Record<string, unknown>>(text: string, values?: unknown[]): Promise<Row[]>;
  /** Shifts the business time of this database; the one place that tells it is the function business_now(). */
  shiftTime(interval: string): Promise<void>;
  /** Lets the business time of this database stand still, so that a moment can be met exactly. */
  stopTime(at: Date): Promise<void>;
  drop(): Promise<void>;
}

export async function createTestDatabase(): Promise<TestDatabase> {
  const server = process.env['DAYBOOK_TEST_SERVER'];
  if (server === undefined)
    throw new Error('The tests need the server that test/support/test-server.ts starts');
  const name = `test_${randomBytes(6).toString('hex')}_of_${process.pid}`;
  await run(server, `CREATE DATABASE ${name} TEMPLATE ${process.env['DAYBOOK_TEST_TEMPLATE']}`);
  const url = inDatabase(server, name);
  const pool = new pg.Pool({ connectionString: url, max: 4 });
  const tellTime = (expression: string) =>
    pool.query(`CREATE OR REPLACE FUNCTION business_now() RETURNS timestamptz LANGUAGE sql VOLATILE
      AS $$ SELECT ${expression} $$`);
  // The end of a pool does not wait for its connections, and dropping the database may break one that is just leaving.
  pool.on('error', () => undefined);
  return {
    url,
    query: async <Row>(text: string, values: unknown[] = []) =>
      (await pool.query(text, values)).rows as Row[],
    shiftTime: async (interval) => {
      await tellTime(`clock_timestamp() + interval '${interval}'`);
    },
    stopTime: async (at) => {
      await tellTime(`timestamptz '${at.toISOString()}'`);
    },
    drop: async () => {
      await pool.end();
      await waitFor(`nobody to be in ${name}`, () => isDropped(server, name));
    },
  };
}

/** False while autovacuum is at work in it: to end that takes a superuser, and it ends soon. */
async function isDropped(server: string, name: string): Promise<boolean> {
  try {
    await run(server, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    return true;
  } catch (error) {
    if ((error as pg.DatabaseError).code !== '42501') throw error;
    return false;
  }
}

async function run(server: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: server });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
