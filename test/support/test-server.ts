import { join } from 'node:path';

import {
  dataSourceOptions,
  type EmbeddedPostgres,
  loadConfig,
  migrate,
  projectRoot,
  startEmbeddedPostgres,
} from '@daybook/platform';
import { setUpQueues } from '@daybook/processing';
import { DataSource } from 'typeorm';

import { inDatabase, isOwnerAlive, nameTemplate } from './database.js';

let server: EmbeddedPostgres;

/**
 * One PostgreSQL for all tests, with a migrated template that each test file's database is a copy of. It lives in the
 * checkout, so that a run takes over what an interrupted one has left behind, and several runs can share it.
 */
export async function startServer(): Promise<void> {
  const home = join(projectRoot(), '.daybook', 'test');
  server = await startEmbeddedPostgres({ home, durable: false, maxConnections: 400 });
  const template = nameTemplate();
  process.env['DAYBOOK_TEST_SERVER'] = server.url;
  process.env['DAYBOOK_TEST_TEMPLATE'] = template;
  await onDatabase(server.url, async (admin) => {
    await dropAbandoned(admin);
    await admin.query(`CREATE DATABASE ${template}`);
  });
  const url = inDatabase(server.url, template);
  await onDatabase(url, async (database) => {
    await migrate(database);
    // Every start does it, and finds it done.
    await setUpQueues(database, loadConfig({ DATABASE_URL: url }), async () => undefined);
  });
}

export async function stopServer(): Promise<void> {
  const template = process.env['DAYBOOK_TEST_TEMPLATE'];
  await onDatabase(server.url, (admin) => admin.query(`DROP DATABASE IF EXISTS ${template} WITH (FORCE)`));
  await server.stop();
}

/** Databases of runs that ended without cleaning up: their names tell the process that made them. */
async function dropAbandoned(admin: DataSource): Promise<void> {
  const rows = (await admin.query('SELECT datname AS name FROM pg_database')) as { name: string }[];
  for (const { name } of rows) {
    if (isOwnerAlive(name) === false) await admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  }
}

async function onDatabase(url: string, work: (database: DataSource) => Promise<unknown>): Promise<void> {
  const database = await new DataSource(dataSourceOptions(url, 2)).initialize();
  try {
    await work(database);
  } finally {
    await database.destroy();
  }
}
