import { randomBytes } from 'node:crypto';
import { mkdtemp, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import { linkFromHome, type ClusterPlace } from './cluster-place.js';
import { EmbeddedPostgresError, isSystemError } from './embedded-postgres.errors.js';
import { runProgram, type ServerAccount } from './run-program.js';
import { giveTo } from './server-account.js';
import type { ServerBinaries } from './server-binaries.js';
import { SUPERUSER } from './server-session.js';

const SUPERUSER_PASSWORD_FILE = 'superuser-password';
const PASSWORD_FILE = 'password';

/** A cluster on disk, with what lies beside its data. */
export interface Cluster {
  readonly directory: string;
  readonly dataDirectory: string;
  readonly superuserPassword: string;
  readonly password: string;
  readonly account: ServerAccount;
}

/**
 * Makes a cluster, unless another Daybook makes one at the same moment and is faster. Everything is prepared beside
 * the place and appears there by one rename, so whatever is killed on the way, there is a whole cluster or none.
 * @returns whether it was this call that made the cluster.
 */
export async function createCluster(
  place: ClusterPlace,
  binaries: ServerBinaries,
  durable: boolean,
): Promise<boolean> {
  const staging = await mkdtemp(`${place.directory}.new-${process.pid}-`);
  try {
    await writePasswords(staging);
    await giveTo(place.account, staging);
    await initialise(staging, binaries, place.account, durable);
    const created = await putInPlace(staging, place.directory);
    if (durable) await flushDirectory(dirname(place.directory));
    await linkFromHome(place.home, place.directory);
    return created;
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

async function writePasswords(directory: string): Promise<void> {
  for (const name of [SUPERUSER_PASSWORD_FILE, PASSWORD_FILE]) {
    await writeFile(join(directory, name), randomBytes(24).toString('base64url'), {
      mode: 0o600,
      flush: true,
    });
  }
}

async function initialise(
  directory: string,
  binaries: ServerBinaries,
  account: ServerAccount,
  durable: boolean,
): Promise<void> {
  const args = [
    `--pgdata=${join(directory, 'data')}`,
    `--username=${SUPERUSER}`,
    `--pwfile=${join(directory, SUPERUSER_PASSWORD_FILE)}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    // PostgreSQL's own collation: text sorts alike on every machine, and no update of the C library breaks an index.
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--data-checksums',
    '--no-instructions',
    ...(durable ? [] : ['--no-sync']),
  ];
  const { exitCode, stderr } = await runProgram(binaries.initdb, args, account);
  if (exitCode === 0) return;
  throw new EmbeddedPostgresError(
    'initialisation_failed',
    `PostgreSQL could not create its data directory in ${dirname(directory)}: ${stderr.trim()}`,
  );
}

async function putInPlace(staging: string, directory: string): Promise<boolean> {
  try {
    await rename(staging, directory);
    return true;
  } catch (error) {
    if (!isSystemError(error, 'ENOTEMPTY', 'EEXIST')) throw error;
    return false;
  }
}

/** Clears away what a Daybook left that was killed while it made a cluster. One that lives is still at it. */
export async function removeAbandonedStaging({ directory }: ClusterPlace): Promise<void> {
  const prefix = `${basename(directory)}.new-`;
  for (const name of await readdir(dirname(directory))) {
    if (!name.startsWith(prefix) || processExists(Number.parseInt(name.slice(prefix.length), 10))) continue;
    try {
      await rm(join(dirname(directory), name), { recursive: true, force: true });
    } catch (error) {
      // Its initdb outlived it and still writes. The next start will clear it away.
      if (!isSystemError(error, 'ENOTEMPTY')) throw error;
    }
  }
}

function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    if (isSystemError(error, 'ESRCH')) return false;
    if (isSystemError(error, 'EPERM')) return true;
    throw error;
  }
}

/** A rename survives a power failure only once the directory itself is written out. */
async function flushDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Opens a cluster that exists, after checking that it is whole and that these programs can read it. */
export async function openCluster(place: ClusterPlace, binaries: ServerBinaries): Promise<Cluster> {
  const dataDirectory = join(place.directory, 'data');
  const version = await readPart(place.directory, 'data/PG_VERSION');
  if (Number(version) !== binaries.majorVersion) {
    throw new EmbeddedPostgresError(
      'data_incompatible',
      `The database in ${place.directory} was made by PostgreSQL ${version}; this Daybook runs PostgreSQL ` +
        `${binaries.majorVersion}. Dump it with the Daybook that made it, or move that directory away to begin ` +
        `with an empty database.`,
    );
  }
  return {
    directory: place.directory,
    dataDirectory,
    superuserPassword: await readPart(place.directory, SUPERUSER_PASSWORD_FILE),
    password: await readPart(place.directory, PASSWORD_FILE),
    account: place.account,
  };
}

async function readPart(directory: string, name: string): Promise<string> {
  try {
    return (await readFile(join(directory, name), 'utf8')).trim();
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error;
    throw new EmbeddedPostgresError(
      'data_incomplete',
      `${directory} is not a whole database: ${name} is missing. Restore it, or move that directory away to begin ` +
        `with an empty database.`,
      { cause: error },
    );
  }
}
