import { parseArgs } from 'node:util';

import { DataSource } from 'typeorm';

import { type DaybookConfig, dataSourceOptions, startEmbeddedPostgres } from '@daybook/platform';

import { brokenOnes, CannotExamine, examine } from './examine.js';
import { fix, NOTHING_FIXED } from './fix.js';
import { toJson, toTable } from './report.js';

const OPTIONS = {
  json: { type: 'boolean', default: false },
  fix: { type: 'boolean', default: false },
} as const;

/**
 * Examines the database that the server would use, which may be running, and says what it found. With `--fix` it
 * corrects what it can, and examines once more.
 * @param home the folder of the embedded database
 * @returns the exit code: 0 when every promise holds in the end, 1 when one does not
 * @throws {CannotExamine}
 */
export async function runDoctor(
  words: readonly string[],
  config: DaybookConfig,
  home: string,
): Promise<0 | 1> {
  const { values } = parseArgs({ args: [...words], options: OPTIONS });
  const { databaseUrl, businessTimezone } = config;
  const postgres = databaseUrl === undefined ? await startEmbeddedPostgres({ home }) : undefined;
  try {
    const url = databaseUrl ?? (postgres as { url: string }).url;
    const look = () => withDatabase(url, (database) => examine(database, { businessTimezone }));
    let findings = await look();
    let fixed = values.fix ? NOTHING_FIXED : undefined;
    if (values.fix && brokenOnes(findings).some(({ isFixable }) => isFixable)) {
      fixed = await fix(config, url);
      findings = await look();
    }
    process.stdout.write(values.json ? toJson(findings, fixed) : toTable(findings, fixed));
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
