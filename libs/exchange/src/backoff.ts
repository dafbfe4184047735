import { setTimeout as pause } from 'node:timers/promises';

const FIRST_MS = 100;
const LONGEST_MS = 10_000;

/** Waits longer and longer between attempts that fail, never as long as others do. */
export class Backoff {
  private failures = 0;

  succeed(): void {
    this.failures = 0;
  }

  /** Resolves after a while, or at once when the signal is aborted. */
  async wait(signal: AbortSignal): Promise<void> {
    const longest = Math.min(LONGEST_MS, FIRST_MS * 2 ** this.failures);
    this.failures += 1;
    try {
      await pause(longest * (0.5 + Math.random() / 2), undefined, { signal });
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }
}
