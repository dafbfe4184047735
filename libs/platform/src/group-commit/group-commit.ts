import { setTimeout as pause } from 'node:timers/promises';

import { isConnectionLost, isLockTimeout, isPoolTimeout } from '../database/database-errors.js';
import { CommitOutcomeUnknown, isRepeatable } from '../database/transaction.js';
import { DatabaseUnavailable, DomainError, OutcomeUnknown, Overloaded } from '../errors/domain-error.js';
import { traceCommand } from '../tracing/batch-spans.js';

/** What one command of a batch comes to: its result, or the refusal its caller will see thrown. */
export type Outcome<R> = R | DomainError;

export interface GroupCommitOptions<C, R> {
  /** What its commands do, in a word or two: `place-order`. Observers tell group commits apart by it. */
  readonly name: string;
  /** Decides and writes the commands in one transaction; one outcome per command, in their order. */
  readonly commit: (commands: readonly C[]) => Promise<readonly Outcome<R>[]>;
  /** True when a second run of the same command cannot have a second effect (it carries an idempotency key). */
  readonly isRepeatable: (command: C) => boolean;
  readonly limits?: Partial<GroupCommitLimits>;
  /** Those who look on; more of them may join later. */
  readonly observers?: readonly GroupCommitObserver[];
}

/** Looks on, for the metrics. It is called between two batches: what it does must be quick and must not throw. */
export interface GroupCommitObserver {
  /** @param seconds from the start of the batch until all its commands were answered, with all attempts */
  batchEnded(name: string, size: number, seconds: number): void;
  /** Commands were turned away for the state of the server or of the database, not for what they asked. */
  turnedAway(name: string, commands: number, refusal: DomainError): void;
}

export interface GroupCommitLimits {
  /** Commands per transaction. */
  readonly batchSize: number;
  /** Transactions under way at once. */
  readonly batchesInFlight: number;
  /** Commands waiting for a transaction; one more is refused. */
  readonly queueLength: number;
  /** A command that waited longer than this is refused instead of being answered too late. */
  readonly waitMs: number;
  /** How long a repeatable command whose commit ended in doubt is tried again. */
  readonly doubtMs: number;
}

const DEFAULT_LIMITS: GroupCommitLimits = {
  batchSize: 250,
  batchesInFlight: 2,
  queueLength: 5_000,
  waitMs: 5_000,
  doubtMs: 10_000,
};
const CONFLICT_RETRIES = 8;
const CONFLICT_PAUSE_MS = 10;
const RECONNECT_PAUSE_MS = 200;

interface Waiting<C, R> {
  readonly command: C;
  readonly since: number;
  readonly resolve: (result: R) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Commits concurrent commands of one kind together. While one batch is being committed the next one gathers; there is
 * no timer, so a lone command never waits. Sizes are bounded everywhere: a full queue refuses with {@link Overloaded}.
 *
 * An unexpected database error splits the batch, so that a poisonous command fails alone. Deadlocks, serialization
 * failures and lost races run the whole transaction again. A connection lost during COMMIT leaves the outcome in doubt:
 * repeatable commands are run again (their key tells whether they happened), others get {@link OutcomeUnknown}.
 */
export class GroupCommit<C, R> {
  readonly name: string;
  private readonly limits: GroupCommitLimits;
  private readonly observers: readonly GroupCommitObserver[];
  private waiting: Waiting<C, R>[] = [];
  private batchesInFlight = 0;
  private isStartScheduled = false;
  private isDraining = false;
  private whenIdle: PromiseWithResolvers<void> | undefined;

  constructor(private readonly options: GroupCommitOptions<C, R>) {
    this.name = options.name;
    this.limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.observers = options.observers ?? [];
  }

  /** Commands that wait for a transaction now. */
  get queueLength(): number {
    return this.waiting.length;
  }

  /**
   * Resolves after the commit of the transaction that holds the command's effect.
   * @throws {DomainError} the command's refusal, or {@link Overloaded}, {@link DatabaseUnavailable}, {@link OutcomeUnknown}
   */
  submit(command: C): Promise<R> {
    return traceCommand(this.name, command, () => this.enqueue(command));
  }

  private enqueue(command: C): Promise<R> {
    return new Promise((resolve, reject) => {
      const waiting = { command, since: performance.now(), resolve, reject };
      if (this.isDraining)
        return this.turnAway([waiting], new Overloaded('The server is stopping. Nothing was done.'));
      if (this.waiting.length >= this.limits.queueLength) return this.turnAway([waiting], new Overloaded());
      this.waiting.push(waiting);
      this.scheduleStart();
    });
  }

  /** Refuses new commands and resolves when every accepted one has been answered. */
  async drain(): Promise<void> {
    this.isDraining = true;
    if (this.waiting.length === 0 && this.batchesInFlight === 0) return;
    this.whenIdle ??= Promise.withResolvers();
    await this.whenIdle.promise;
  }

  /** setImmediate, so that all requests which arrived in this turn of the event loop share the first batch. */
  private scheduleStart(): void {
    if (this.isStartScheduled || this.batchesInFlight >= this.limits.batchesInFlight) return;
    this.isStartScheduled = true;
    setImmediate(() => {
      this.isStartScheduled = false;
      this.startBatches();
    });
  }

  private startBatches(): void {
    while (this.waiting.length > 0 && this.batchesInFlight < this.limits.batchesInFlight) {
      const batch = this.refuseStale(this.waiting.splice(0, this.limits.batchSize));
      if (batch.length > 0) void this.run(batch);
    }
    if (this.batchesInFlight === 0) this.whenIdle?.resolve();
  }

  private refuseStale(batch: Waiting<C, R>[]): Waiting<C, R>[] {
    const oldest = performance.now() - this.limits.waitMs;
    // The queue is first in, first out: when its head is fresh, so are all behind it.
    if (batch[0] !== undefined && batch[0].since >= oldest) return batch;
    const isStale = ({ since }: Waiting<C, R>) => since < oldest;
    this.turnAway(batch.filter(isStale), new Overloaded());
    return batch.filter((waiting) => !isStale(waiting));
  }

  private async run(batch: readonly Waiting<C, R>[]): Promise<void> {
    this.batchesInFlight += 1;
    const startedAt = performance.now();
    try {
      await this.commit(batch);
    } catch (error) {
      rejectAll(batch, error);
    } finally {
      const seconds = (performance.now() - startedAt) / 1000;
      for (const observer of this.observers) observer.batchEnded(this.name, batch.length, seconds);
      this.batchesInFlight -= 1;
      this.startBatches();
    }
  }

  private async commit(batch: readonly Waiting<C, R>[], retries = 0): Promise<void> {
    try {
      const outcomes = await this.options.commit(batch.map(({ command }) => command));
      batch.forEach((waiting, index) => answer(waiting, outcomes[index]));
    } catch (error) {
      if (error instanceof CommitOutcomeUnknown) return this.resolveDoubt(batch);
      if (isRepeatable(error)) {
        if (retries === CONFLICT_RETRIES) return this.turnAway(batch, new Overloaded());
        await pause(Math.random() * CONFLICT_PAUSE_MS);
        return this.commit(batch, retries + 1);
      }
      if (isConnectionLost(error)) return this.turnAway(batch, new DatabaseUnavailable());
      if (isPoolTimeout(error) || isLockTimeout(error)) return this.turnAway(batch, new Overloaded());
      if (batch.length === 1) return rejectAll(batch, error);
      await this.split(batch);
    }
  }

  private async split(batch: readonly Waiting<C, R>[]): Promise<void> {
    const middle = Math.ceil(batch.length / 2);
    await this.commit(batch.slice(0, middle));
    await this.commit(batch.slice(middle));
  }

  private async resolveDoubt(batch: readonly Waiting<C, R>[]): Promise<void> {
    const repeatable = batch.filter(({ command }) => this.options.isRepeatable(command));
    this.turnAway(
      batch.filter((waiting) => !repeatable.includes(waiting)),
      new OutcomeUnknown(),
    );
    const deadline = performance.now() + this.limits.doubtMs;
    let obstacle: unknown;
    while (repeatable.length > 0 && performance.now() < deadline) {
      try {
        const outcomes = await this.options.commit(repeatable.map(({ command }) => command));
        repeatable.forEach((waiting, index) => answer(waiting, outcomes[index]));
        return;
      } catch (error) {
        // A lone command's refusal settles it. Any other error leaves the doubt: it says nothing of the first run.
        if (error instanceof DomainError && repeatable.length === 1) return rejectAll(repeatable, error);
        obstacle = error;
        await pause(RECONNECT_PAUSE_MS);
      }
    }
    this.turnAway(repeatable, new OutcomeUnknown(obstacle));
  }

  private turnAway(commands: readonly Waiting<C, R>[], refusal: DomainError): void {
    if (commands.length === 0) return;
    for (const observer of this.observers) observer.turnedAway(this.name, commands.length, refusal);
    rejectAll(commands, refusal);
  }
}

function answer<C, R>(waiting: Waiting<C, R>, outcome: Outcome<R> | undefined): void {
  if (outcome === undefined) waiting.reject(new Error('A batch gave fewer outcomes than it had commands'));
  else if (outcome instanceof DomainError) waiting.reject(outcome);
  else waiting.resolve(outcome);
}

function rejectAll<C, R>(batch: readonly Waiting<C, R>[], error: unknown): void {
  for (const waiting of batch) waiting.reject(error);
}
