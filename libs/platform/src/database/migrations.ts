import { hash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { DataSource, QueryRunner } from 'typeorm';

import { projectRoot } from './project-root.js';

/** One plain SQL file `libs/<library>/migrations/<date>_<time>_<subject>.sql`; the name orders all of them. */
interface Migration {
  readonly name: string;
  readonly sql: string;
  readonly checksum: string;
}

// Any fixed number will do: replicas that start together take turns.
const MIGRATION_LOCK = 7_237_001;

/**
 * Brings the database up to date: every file not yet applied, in name order, each in its own transaction.
 * @param libraries the folder of the libraries, each of which may have a folder `migrations`
 * @returns the names applied now
 * @throws when a file that was applied has changed since, or vanished: the database would no longer be what it says
 */
export async function migrate(
  database: DataSource,
  libraries = join(projectRoot(), 'libs'),
): Promise<string[]> {
  const migrations = await readMigrations(libraries);
  const runner = database.createQueryRunner();
  try {
    // A replica that starts later waits for as long as the migrations of the first one take.
    await runner.query('SET statement_timeout = 0');
    await runner.query('SET lock_timeout = 0');
    await runner.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    await runner.query('RESET lock_timeout');
    return await applyMissing(runner, migrations);
  } finally {
    await runner.query('RESET ALL');
    await runner.query('SELECT pg_advisory_unlock($1)', [MIGRATION_LOCK]);
    await runner.release();
  }
}

async function applyMissing(runner: QueryRunner, migrations: readonly Migration[]): Promise<string[]> {
  await runner.query(`CREATE TABLE IF NOT EXISTS schema_migrations (
    name text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`);
  const rows = (await runner.query('SELECT name, checksum FROM schema_migrations')) as Omit<
    Migration,
    'sql'
  >[];
  const applied = new Map(rows.map(({ name, checksum }) => [name, checksum]));
  refuseChanged(applied, migrations);
  const missing = migrations.filter(({ name }) => !applied.has(name));
  for (const migration of missing) {
    await runner.startTransaction();
    try {
      await runner.query(migration.sql);
      await runner.query('INSERT INTO schema_migrations (name, checksum) VALUES ($1, $2)', [
        migration.name,
        migration.checksum,
      ]);
      await runner.commitTransaction();
    } catch (error) {
      await runner.rollbackTransaction();
      throw new Error(`Migration ${migration.name} failed`, { cause: error });
    }
  }
  return missing.map(({ name }) => name);
}

function refuseChanged(applied: ReadonlyMap<string, string>, migrations: readonly Migration[]): void {
  const known = new Map(migrations.map(({ name, checksum }) => [name, checksum]));
  for (const [name, checksum] of applied) {
    if (!known.has(name))
      throw new Error(`The database has migration ${name}, which this version does not know`);
    if (known.get(name) !== checksum) throw new Error(`Migration ${name} was changed after it was applied`);
  }
}

/** All migrations of all libraries, in the order they apply. */
async function readMigrations(libraries: string): Promise<Migration[]> {
  const paths = (await readdir(libraries, { recursive: true })).filter((path) =>
    /^[^/\\]+[/\\]migrations[/\\][^/\\]+\.sql$/.test(path),
  );
  const migrations = await Promise.all(
    paths.map(async (path) => {
      const sql = await readFile(join(libraries, path), 'utf8');
      const name = path.replace(/^.*[/\\]|\.sql$/g, '');
      return { name, sql, checksum: hash('sha256', sql) };
    }),
  );
  return migrations.sort((a, b) => (a.name < b.name ? -1 : 1));
}
