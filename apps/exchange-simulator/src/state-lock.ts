import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const LOOK_EVERY_MS = 50;
/** So long a process may take from its start to its first answer. */
const PATIENCE_MS = 5_000;

/** One process at a time writes a state; another one that wants to is told where that process answers. */
export class StateLock {
  private constructor(private readonly path: string) {}

  /** @returns the address of the simulator that has the state, if there is one */
  static async take(stateFile: string): Promise<StateLock | string> {
    const path = `${stateFile}.lock`;
    mkdirSync(dirname(path), { recursive: true });
    const until = performance.now() + PATIENCE_MS;
    for (;;) {
      try {
        writeFileSync(path, '', { flag: 'wx' });
        return new StateLock(path);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const url = read(path);
      if (url !== '' && (await answers(url))) return url;
      // It has been killed, sooner or later.
      if (url !== '' || performance.now() > until) rmSync(path, { force: true });
      else await pause(LOOK_EVERY_MS);
    }
  }

  /** From now on others can find it. */
  publish(url: string): void {
    writeFileSync(`${this.path}.new`, url);
    renameSync(`${this.path}.new`, this.path);
  }

  release(): void {
    rmSync(this.path, { force: true });
  }
}

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
    // Nobody listens there any more.
    return false;
  }
}
