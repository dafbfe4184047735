import type { ExecutionBus } from '@daybook/exchange';

import { type Applied, everyPart, type InTransaction } from './execution-stretches.js';
import { waitFor } from './wait-for.js';

/** Somewhere that stretches are kept, and what a test needs to have in hand about it. */
export interface BusUnderTest {
  /** A bus as another process would have it: it shares what is kept, and nothing else. The test closes it. */
  open(): ExecutionBus | Promise<ExecutionBus>;
  readonly transaction: InTransaction;
  /** How many reports are kept of a part. */
  kept(partition: number): Promise<number>;
  /** kill -9 of whatever keeps them, and a new start on the same disk. Left out where a test cannot do that. */
  crash?(): Promise<void>;
  /** The same, but the disk is a new one. */
  loseDisk?(): Promise<void>;
  /** Ends whatever was started around the buses. */
  close(): Promise<void>;
}

/** What the tests share: what was made for each of them. */
export interface Bench {
  readonly made: () => BusUnderTest;
  /** A bus that is closed behind the test. */
  readonly open: () => Promise<ExecutionBus>;
  /** Takes from a part and applies what is there, about so many reports at a time, until there is nothing. */
  readonly drain: (
    bus: ExecutionBus,
    partition: number,
    applied: number,
    reports: number,
  ) => Promise<Applied>;
}

export const NOTHING_APPLIED = everyPart(0);
/** More than any test publishes. */
export const ENOUGH = 1_000_000;

/** A bus that may be published to: nothing is applied yet, or so much. */
export async function receiving({ open }: Bench, applied = NOTHING_APPLIED): Promise<ExecutionBus> {
  const bus = await open();
  await bus.resumeAfter(applied);
  return bus;
}

/** What comes of it, once it no longer fails: as a receiver and a consumer try again. */
export async function persistently<T>(attempt: () => Promise<T>): Promise<T> {
  let failure: unknown;
  const found = await waitFor('the bus to be back', () =>
    attempt().then(
      (value) => ({ value }),
      (error: unknown) => {
        failure = error;
        return undefined;
      },
    ),
  ).catch((error: unknown) => {
    throw new Error(String(error), { cause: failure });
  });
  return found.value;
}

/** What comes of a promise, which must come to something. */
export async function soon(what: string, promise: Promise<void>): Promise<void> {
  let isSettled = false;
  void promise.then(() => (isSettled = true));
  await waitFor(what, () => isSettled);
}
