import { parseArgs } from 'node:util';

import { DataSource } from 'typeorm';

import { type DaybookConfig, dataSourceOptions, startEmbeddedPostgres } from '@daybook/platform';

import { brokenOnes, CannotExamine, examine } from './examine.js';
import { toJson, toTable } from './report.js';

/**
 * Examines the database that the server would use, which may be running, and says what it found.
 * @param home the folder of the embedded database
 * @returns the exit code: 0 when every promise holds, 1 when one does not
 * @throws {CannotExamine}
 */
export async function runDoctor(
  words: readonly string[],
  config: DaybookConfig,
  home: string,
): Promise<0 | 1> {
  const { values } = parseArgs({ args: [...words], options: { json: { type: 'boolean', default: false } } });
  const { databaseUrl, businessTimezone } = config;
  const postgres = databaseUrl === undefined ? await startEmbeddedPostgres({ home }) : undefined;
  try {
    const url = databaseUrl ?? (postgres as { url: string }).url;
    const findings = await withDatabase(url, (database) => examine(database, { businessTimezone }));
    process.stdout.write(values.json ? toJson(findings) : toTable(findings));
    return brokenOnes(findings).length === 0 ? 0 : 1;
  } finally {
    await postgres?.stop();
  }
}

async function withDatabase<T>(url: string, work: (database: DataSource) => Promise<T>): Promise<T> {
  const database = await connect(url);
  try {
    return await work(database);
  } finally {
    await database.destroy();
  }
}

async function connect(url: string): Promise<DataSource> {
  try {
    return await new DataSource(dataSourceOptions(url, 1)).initialize();
  } catch (error) {
    // Of several addresses refused at once only the code is told.
    const { message, code } = error as NodeJS.ErrnoException;
    throw new CannotExamine(`The database cannot be reached: ${message || code}`, { cause: error });
  }
}
