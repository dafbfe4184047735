import { setTimeout as pause } from 'node:timers/promises';

/** Resolves with the first value that is neither undefined nor false; a condition that never comes true is an error. */
export async function waitFor<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  patienceMs = 30_000,
): Promise<T> {
  const until = performance.now() + patienceMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    if (performance.now() > until) throw new Error(`Waited ${patienceMs} ms in vain for ${what}`);
    await pause(10);
  }
}
