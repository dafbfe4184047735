import { createHash } from 'node:crypto';
import {
  chmod,
  chown,
  cp,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  realpath,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

import { EmbeddedPostgresError, isSystemError } from './embedded-postgres.errors.js';
import { findPostmaster } from './postmaster.js';
import type { ServerAccount } from './run-program.js';
import { canUseDirectory, giveTo, makeSharedDirectory } from './server-account.js';

/** Where the cluster of one home lives, or will live. */
export interface ClusterPlace {
  /** The real path of the home. */
  readonly home: string;
  /** Holds the data, the passwords, the port and the log. A real path, because the server is known by it. */
  readonly directory: string;
  readonly exists: boolean;
  readonly account: ServerAccount;
}

export interface PlaceOptions {
  readonly home: string;
  readonly fallbackHome: string;
  readonly account: ServerAccount;
  readonly log: (line: string) => void;
}

/** Names the home that a cluster outside of any home belongs to. */
const HOME_NOTE = 'home';

/** The operating system's ways to say that a directory is not for us. */
const REFUSALS = ['EACCES', 'EPERM', 'EROFS', 'EINVAL', 'ENOENT', 'ENOTDIR'];

/** A place that the server's account can enter on any machine, for when it cannot enter the checkout. */
export function defaultFallbackHome(account: ServerAccount): string {
  if (account) return '/var/lib/daybook';
  return join(process.env['XDG_DATA_HOME'] || join(homedir(), '.local/share'), 'daybook');
}

/** The same for the same home, today and tomorrow; it keeps the homes on one machine apart. */
export function homeHash(home: string): string {
  return createHash('sha256').update(home).digest('hex').slice(0, 12);
}

/**
 * Finds or chooses the place: `<home>/postgres` if the server's account can use it, else a directory below
 * `fallbackHome`. The latter is linked from `<home>/postgres`, so that the way to the data starts in the checkout and
 * moves along with it. A cluster that exists wins over the place that would be chosen today.
 */
export async function findPlace(options: PlaceOptions): Promise<ClusterPlace> {
  const home = await prepareHome(options);
  const request = { ...options, home };
  const found = await findLocalCluster(request);
  if (found) return found;
  const distant = await findDistantPlace(request);
  if (distant.exists) {
    await linkFromHome(home, distant.directory);
    return distant;
  }
  if (await canKeepClusterIn(home, options.account)) {
    await removeLink(join(home, 'postgres'));
    return { home, directory: join(home, 'postgres'), exists: false, account: options.account };
  }
  options.log(`The database cannot live in ${home}; it will live in ${distant.directory}.`);
  await makeSharedDirectory(options.fallbackHome);
  if (await canKeepClusterIn(options.fallbackHome, options.account)) return distant;
  throw new EmbeddedPostgresError(
    'no_usable_directory',
    `PostgreSQL can keep its data neither in ${home} nor in ${options.fallbackHome}: it cannot write there. ` +
      `Move the checkout to a directory that is yours, or set DATABASE_URL.`,
  );
}

/** Leaves a trail from the home to a cluster elsewhere. Nothing depends on it unless the checkout is moved. */
export async function linkFromHome(home: string, directory: string): Promise<void> {
  const local = join(home, 'postgres');
  if (local === directory) return;
  await writeFile(join(directory, HOME_NOTE), home);
  try {
    await removeLink(local);
    await symlink(directory, local);
  } catch (error) {
    if (!isSystemError(error, 'EEXIST', ...REFUSALS)) throw error;
  }
}

async function prepareHome({ home, account }: PlaceOptions): Promise<string> {
  try {
    await mkdir(home, { recursive: true });
    // The server's account may pass through, no more: what lies in the home keeps its own permissions. Without
    // this the data would leave every home that was made under umask 077 or by mkdtemp.
    if (account) await chmod(home, (await stat(home)).mode | 0o011);
    return await realpath(home);
  } catch (error) {
    // A checkout that belongs to somebody else is fine: nothing will be kept in it.
    if (isSystemError(error, ...REFUSALS)) return resolve(home);
    throw error;
  }
}

async function findLocalCluster({ home, ...options }: PlaceOptions): Promise<ClusterPlace | undefined> {
  const local = join(home, 'postgres');
  const directory = await realPathOf(local);
  if (directory === undefined || !(await isCluster(directory))) return undefined;
  if (directory !== local && !(await claim(directory, home))) {
    options.log(`${home} is a copy of another checkout, which keeps its database; this one gets its own.`);
    return undefined;
  }
  const account = await accountFor(directory, options.account);
  if (account === 'foreign') {
    options.log(
      `The database in ${directory} belongs to another account of this machine; it stays as it is.`,
    );
    return undefined;
  }
  if (await canUseDirectory(directory, account)) return { home, directory, exists: true, account };
  if (directory !== local || (await findPostmaster(join(directory, 'data')))) {
    throw new EmbeddedPostgresError(
      'data_unreachable',
      `PostgreSQL's account (user id ${account?.uid ?? process.getuid?.()}) can no longer enter ${directory}. ` +
        `Make that directory and those above it accessible again (chmod o+x), or move the checkout.`,
    );
  }
  return moveOutOf({ home, directory, exists: true, account }, options);
}

/** A checkout that was moved or copied to below /root, say, brought a cluster that cannot be used there. */
async function moveOutOf(place: ClusterPlace, options: Omit<PlaceOptions, 'home'>): Promise<ClusterPlace> {
  const { directory } = await findDistantPlace({ ...options, home: place.home });
  options.log(`PostgreSQL cannot reach ${place.directory}; moving the database to ${directory}.`);
  await makeSharedDirectory(options.fallbackHome);
  const staging = `${directory}.new-${process.pid}`;
  await rm(staging, { recursive: true, force: true });
  await cp(place.directory, staging, { recursive: true });
  await giveTo(place.account, staging);
  await rename(staging, directory);
  await rm(place.directory, { recursive: true });
  await linkFromHome(place.home, directory);
  return { ...place, directory };
}

/** The first directory for this home that no other home has taken. */
async function findDistantPlace({ home, fallbackHome, account }: PlaceOptions): Promise<ClusterPlace> {
  for (let attempt = 1; ; attempt += 1) {
    const name = attempt === 1 ? homeHash(home) : `${homeHash(home)}-${attempt}`;
    const directory = join(fallbackHome, name);
    if (!(await isCluster(directory))) return { home, directory, exists: false, account };
    const owner = (await claim(directory, home)) ? await accountFor(directory, account) : 'foreign';
    if (owner !== 'foreign') return { home, directory, exists: true, account: owner };
  }
}

/** Whether a cluster outside of any home is this home's: noted for it, or left behind when the checkout moved. */
async function claim(directory: string, home: string): Promise<boolean> {
  const note = join(directory, HOME_NOTE);
  const noted = await readFile(note, 'utf8').catch((error: unknown) => {
    if (isSystemError(error, 'ENOENT')) return home;
    throw error;
  });
  if (noted !== home && (await realPathOf(join(noted, 'postgres'))) === directory) return false;
  await writeFile(note, home);
  return true;
}

/**
 * The server must run as the owner of its data. Root can be any owner, so `sudo npm start` in somebody's checkout
 * finds that person's data; what a copy made by root left to root goes to the server's account.
 */
async function accountFor(directory: string, account: ServerAccount): Promise<ServerAccount | 'foreign'> {
  const owner = await stat(join(directory, 'data'));
  if (!account) return owner.uid === process.getuid?.() ? account : 'foreign';
  if (owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  await giveTo(account, directory);
  return account;
}

/** Tried for real, with a directory that looks as the cluster's will. */
async function canKeepClusterIn(directory: string, account: ServerAccount): Promise<boolean> {
  let trial: string | undefined;
  try {
    trial = await mkdtemp(join(directory, '.trial-'));
    if (account) await chown(trial, account.uid, account.gid);
    return await canUseDirectory(trial, account);
  } catch (error) {
    if (isSystemError(error, ...REFUSALS)) return false;
    throw error;
  } finally {
    if (trial) await rm(trial, { recursive: true });
  }
}

async function isCluster(directory: string): Promise<boolean> {
  try {
    return (await stat(join(directory, 'data'))).isDirectory();
  } catch (error) {
    if (isSystemError(error, ...REFUSALS)) return false;
    throw error;
  }
}

async function realPathOf(path: string): Promise<string | undefined> {
  try {
    return await realpath(path);
  } catch (error) {
    if (isSystemError(error, ...REFUSALS)) return undefined;
    throw error;
  }
}

async function removeLink(path: string): Promise<void> {
  try {
    if ((await lstat(path)).isSymbolicLink()) await rm(path);
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error;
  }
}
