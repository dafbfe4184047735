import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { dataSourceOptions, type EmbeddedPostgres, migrate, startEmbeddedPostgres } from '@daybook/platform';
import { DataSource } from 'typeorm';

import { inDatabase, TEMPLATE } from './database.js';

let home: string;
let server: EmbeddedPostgres;

/** One PostgreSQL for all tests, with a migrated template that each test file's database is a copy of. */
export async function startServer(): Promise<void> {
  home = await mkdtemp(join(tmpdir(), 'daybook-test-'));
  server = await startEmbeddedPostgres({ home, durable: false, maxConnections: 400 });
  process.env['DAYBOOK_TEST_SERVER'] = server.url;
  const admin = await new DataSource(dataSourceOptions(server.url, 2)).initialize();
  await admin.query(`CREATE DATABASE ${TEMPLATE}`);
  await admin.destroy();
  const template = await new DataSource(dataSourceOptions(inDatabase(server.url, TEMPLATE), 2)).initialize();
  await migrate(template);
  await template.destroy();
}

export async function stopServer(): Promise<void> {
  await server.stop();
  await rm(home, { recursive: true, force: true });
}

