import { chmod, mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';

import { EmbeddedPostgresError, isSystemError } from './embedded-postgres.errors.js';
import { runProgram, type ServerAccount } from './run-program.js';

const ACCOUNT_NAME = 'postgres';

/**
 * PostgreSQL refuses to run as root, because whoever takes over a database must not thereby own the machine. Root
 * therefore runs it as the system account `postgres`, which is created when the machine has none.
 */
export async function findServerAccount(): Promise<ServerAccount> {
  if (process.getuid?.() !== 0) return undefined;
  const existing = await lookUpAccount();
  if (existing) return existing;
  await createAccount();
  const created = await lookUpAccount();
  if (created) return created;
  throw new EmbeddedPostgresError(
    'no_server_account',
    `PostgreSQL cannot run as root, and the account "${ACCOUNT_NAME}" it should run as could not be created. ` +
      `Create that account, start Daybook as an ordinary user, or set DATABASE_URL.`,
  );
}

async function lookUpAccount(): Promise<ServerAccount> {
  const user = await runProgram('id', ['-u', ACCOUNT_NAME]);
  const group = await runProgram('id', ['-g', ACCOUNT_NAME]);
  if (user.exitCode !== 0 || group.exitCode !== 0) return undefined;
  return { uid: Number(user.stdout), gid: Number(group.stdout) };
}

async function createAccount(): Promise<void> {
  const options = ['--system', '--user-group', '--no-create-home', '--shell', '/bin/false'];
  try {
    await runProgram('useradd', [...options, ACCOUNT_NAME]);
  } catch (error) {
    // macOS, for one, has no such command. That there is no account now is reported by the caller.
    if (!isSystemError(error, 'ENOENT')) throw error;
  }
}

/**
 * Whether the account can enter the directory and write there. Tried for real: permissions of a parent, ACLs,
 * read-only mounts and security modules all decide it, and no check of mode bits sees them all.
 */
export async function canUseDirectory(directory: string, account: ServerAccount): Promise<boolean> {
  const script = 'cd "$1" && touch .reachable && rm .reachable';
  return (await runProgram('/bin/sh', ['-c', script, 'sh', directory], account)).exitCode === 0;
}

/** Hands everything below a directory to the server's account. */
export async function giveTo(account: ServerAccount, directory: string): Promise<void> {
  if (!account) return;
  const { exitCode, stderr } = await runProgram('chown', ['-R', `${account.uid}:${account.gid}`, directory]);
  if (exitCode === 0) return;
  throw new EmbeddedPostgresError(
    'no_usable_directory',
    `${directory} could not be given to the account that PostgreSQL runs as: ${stderr.trim()}`,
  );
}

/** Makes a directory that other accounts can enter, whatever the umask says, and leaves an existing one as it is. */
export async function makeSharedDirectory(directory: string): Promise<void> {
  const outermostNew = await mkdir(directory, { recursive: true });
  if (outermostNew === undefined) return;
  for (let path = directory; path.length >= outermostNew.length; path = dirname(path))
    await chmod(path, 0o755);
}
