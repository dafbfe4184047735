import { waitFor } from './wait-for.js';

const PATIENCE_MS = 5_000;

/** Timers, connections, servers and files that keep the process alive: how many of each kind. */
export function openResources(): Map<string, number> {
  const kinds = Map.groupBy(process.getActiveResourcesInfo(), (kind) => kind);
  return new Map([...kinds].map(([kind, all]) => [kind, all.length]));
}

/** Waits until nothing more is open than there was `before`. */
export async function expectNothingMoreOpen(before: ReadonlyMap<string, number>): Promise<void> {
  const more = () => [...openResources()].filter(([kind, count]) => count > (before.get(kind) ?? 0));
  const ended = waitFor('everything that was begun to end', () => more().length === 0, PATIENCE_MS);
  // If it was in vain, the expectation says what is left.
  await Promise.allSettled([ended]);
  expect(more()).toEqual([]);
}

/** What comes of a promise, which must not take long. */
export async function soon<T>(what: string, promise: Promise<T>): Promise<T> {
  let outcome: { readonly value: T } | undefined;
  void promise.then((value) => (outcome = { value }));
  return (await waitFor(what, () => outcome, PATIENCE_MS)).value;
}
