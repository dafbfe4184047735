import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { setTimeout as pause } from 'node:timers/promises';

const LOOK_EVERY_MS = 50;
const PATIENCE_MS = 5_000;
const SQLITE_BUSY = 5;

// The bundler does not know it for a part of Node.js.
const sqlite = process.getBuiltinModule('node:sqlite');

/**
 * One process at a time writes a state; another one that wants to is told where that process answers. The lock is that of an
 * empty SQLite database: the operating system takes it back from a process that ends, however it ends.
 */
export class StateLock {
  private constructor(
    private readonly lock: DatabaseSync,
    private readonly addressFile: string,
  ) {}

  /** @returns the address of the simulator that has the state, if there is one */
  static async take(stateFile: string): Promise<StateLock | string> {
    for (;;) {
      const lock = this.tryToTake(stateFile);
      if (lock !== undefined) return lock;
      // It answers soon, or ends.
      const url = read(addressFileOf(stateFile));
      if (url !== '' && (await answers(url))) return url;
      await pause(LOOK_EVERY_MS);
    }
  }

  /** Takes it as soon as the one that has it has ended. */
  static async wait(stateFile: string): Promise<StateLock> {
    for (;;) {
      const lock = this.tryToTake(stateFile);
      if (lock !== undefined) return lock;
      await pause(LOOK_EVERY_MS);
    }
  }

  private static tryToTake(stateFile: string): StateLock | undefined {
    mkdirSync(dirname(stateFile), { recursive: true });
    const lock = new sqlite.DatabaseSync(`${stateFile}.lock.db`);
    try {
      lock.exec('BEGIN EXCLUSIVE');
    } catch (error) {
      lock.close();
      if ((error as { errcode?: number }).errcode !== SQLITE_BUSY) throw error;
      return undefined;
    }
    // That of the one before.
    rmSync(addressFileOf(stateFile), { force: true });
    return new StateLock(lock, addressFileOf(stateFile));
  }

  /** From now on others can find it. */
  publish(url: string): void {
    writeFileSync(`${this.addressFile}.new`, url);
    renameSync(`${this.addressFile}.new`, this.addressFile);
  }

  release(): void {
    this.lock.close();
  }
}

const addressFileOf = (stateFile: string) => `${stateFile}.url`;

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    const { ok } = await fetch(`${url}/simulator/behaviour`, { signal: AbortSignal.timeout(PATIENCE_MS) });
    return ok;
  } catch {
    // Nobody listens there any more, or not yet.
    return false;
  }
}
