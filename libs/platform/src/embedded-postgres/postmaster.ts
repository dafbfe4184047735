import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import { isSystemError } from './embedded-postgres.errors.js';
import { cleanEnvironment, runProgram, type ServerAccount } from './run-program.js';

/** A server process that was found alive on a data directory, whoever started it. */
export interface RunningPostmaster {
  readonly pid: number;
  readonly port: number;
  /** It accepts connections; otherwise it starts, recovers or stops. */
  readonly ready: boolean;
}

const POLL_MS = 20;
/** After this long, a fast shutdown is hurried: PostgreSQL then recovers at its next start, without loss. */
const SHUTDOWN_LIMIT_MS = 60_000;
/** A pid file is empty for an instant while it is written, and for good after a power failure. */
const EMPTY_PID_FILE_LIMIT_MS = 5_000;

/** Finds the live server of a data directory, and clears away the pid file of a dead one. */
export async function findPostmaster(dataDirectory: string): Promise<RunningPostmaster | undefined> {
  const content = await readPidFile(dataDirectory);
  if (content === undefined) return undefined;
  const lines = content.split('\n');
  const pid = Number(lines[0]);
  if (pid > 0 && (await isPostmasterOf(dataDirectory, pid))) {
    return { pid, port: Number(lines[3]), ready: lines[7]?.trim() === 'ready' };
  }
  await removeStalePidFile(dataDirectory, content);
  return undefined;
}

/**
 * Whether this process is a server on this directory. The number alone proves nothing: after a reboot, or in a new
 * container, it may belong to any process, and PostgreSQL would refuse to start because of it; it also would because
 * of a zombie that nobody has reaped.
 */
async function isPostmasterOf(dataDirectory: string, pid: number): Promise<boolean> {
  const args = await commandLineOf(pid);
  return args.includes(process.platform === 'linux' ? `\0-D\0${dataDirectory}\0` : ` -D ${dataDirectory} `);
}

/** Empty for a process that is gone, that is a zombie, or that belongs to another account. */
async function commandLineOf(pid: number): Promise<string> {
  if (process.platform !== 'linux') {
    return (await runProgram('ps', ['-p', String(pid), '-ww', '-o', 'args='])).stdout;
  }
  try {
    return await readFile(`/proc/${pid}/cmdline`, 'utf8');
  } catch (error) {
    if (isSystemError(error, 'ENOENT', 'ESRCH')) return '';
    throw error;
  }
}

async function readPidFile(dataDirectory: string): Promise<string | undefined> {
  try {
    return await readFile(join(dataDirectory, 'postmaster.pid'), 'utf8');
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return undefined;
    throw error;
  }
}

async function removeStalePidFile(dataDirectory: string, staleContent: string): Promise<void> {
  const path = join(dataDirectory, 'postmaster.pid');
  try {
    const age = Date.now() - (await stat(path)).mtimeMs;
    if (staleContent === '' && age < EMPTY_PID_FILE_LIMIT_MS) return;
    // Another Daybook may have started a server since; its pid file must stay.
    if ((await readPidFile(dataDirectory)) === staleContent) await rm(path);
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error;
  }
}

export interface Launch {
  readonly program: string;
  readonly dataDirectory: string;
  readonly port: number;
  readonly settings: Readonly<Record<string, string>>;
  readonly account: ServerAccount;
  /** The open file that takes everything the server says, from its first word on. */
  readonly logFile: number;
}

/**
 * Starts a server. It gets a session of its own, so that Ctrl-C in a terminal reaches Node alone, which first lets
 * its work end; and a file for its messages, so that it does not depend on a pipe that dies together with Node.
 */
export async function launchPostmaster(launch: Launch): Promise<ChildProcess> {
  const settings = Object.entries(launch.settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const child = spawn(launch.program, ['-D', launch.dataDirectory, '-p', String(launch.port), ...settings], {
    cwd: '/',
    env: cleanEnvironment(),
    detached: true,
    stdio: ['ignore', launch.logFile, launch.logFile],
    ...launch.account,
  });
  await once(child, 'spawn');
  child.unref();
  return child;
}

/** Lets open transactions be rolled back, writes everything out, and returns when the server is gone. */
export async function stopPostmaster(dataDirectory: string, log: (line: string) => void): Promise<void> {
  const running = await findPostmaster(dataDirectory);
  if (!running) return;
  const hurryAt = Date.now() + SHUTDOWN_LIMIT_MS;
  let hurried = false;
  signal(running.pid, 'SIGINT');
  while (await isPostmasterOf(dataDirectory, running.pid)) {
    if (!hurried && Date.now() > hurryAt) {
      log('PostgreSQL takes long to shut down; it is stopped at once and will recover at its next start.');
      signal(running.pid, 'SIGQUIT');
      hurried = true;
    }
    await delay(POLL_MS);
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    // It stopped by itself in the meantime.
    if (!isSystemError(error, 'ESRCH')) throw error;
  }
}
