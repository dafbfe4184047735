import type { ExecutionBus } from '../execution-bus.js';

interface Waiter extends PromiseWithResolvers<void> {
  readonly partition: number;
}

/**
 * The parts of this process for which nothing has come. They wait together, so that an idle process asks once and not once for
 * each; those that are at work, or fail, are not among them, for what lies there for them would wake the others at once.
 */
export class WaitingParts {
  private readonly waiters = new Set<Waiter>();
  private round = new AbortController();

  /** @param stopping ends all waiting */
  constructor(
    private readonly bus: Pick<ExecutionBus, 'arrival'>,
    private readonly stopping: AbortSignal,
  ) {}

  /** Resolves when something may have come for this part, or another one that waits, or after a while in any case. */
  wait(partition: number): Promise<void> {
    const waiter = { partition, ...Promise.withResolvers<void>() };
    this.waiters.add(waiter);
    this.round.abort();
    this.round = new AbortController();
    void this.look(this.round.signal);
    return waiter.promise;
  }

  private async look(round: AbortSignal): Promise<void> {
    const partitions = [...new Set([...this.waiters].map(({ partition }) => partition))];
    try {
      await this.bus.arrival(partitions, AbortSignal.any([round, this.stopping]));
      for (const { resolve } of this.end(round)) resolve();
    } catch (error) {
      for (const { reject } of this.end(round)) reject(error);
    }
  }

  /** Whom the end of this round concerns: nobody, when another one has begun for them and for whoever came to wait. */
  private end(round: AbortSignal): readonly Waiter[] {
    if (round.aborted) return [];
    const waiters = [...this.waiters];
    this.waiters.clear();
    return waiters;
  }
}
