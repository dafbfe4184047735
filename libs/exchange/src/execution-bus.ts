import type { EntityManager } from 'typeorm';

import type { ExecutionReport } from './execution-report.js';

/** The dependency injection token of the {@link ExecutionBus}. */
export const EXECUTION_BUS = Symbol('ExecutionBus');

/**
 * How many parts the stream is split into. All reports of one order are in one part, and one consumer at a time applies a
 * part, in order; so this is how many consumers there can be.
 */
export const PARTITIONS = 8;

/** A stretch of one part of the stream, complete and in order: whatever there is with `after < sequence <= through`. */
export interface Stretch {
  readonly partition: number;
  readonly after: number;
  readonly through: number;
  /** Those of this part; there may be none. */
  readonly reports: readonly ExecutionReport[];
}

/**
 * Carries the venue's stream from the one receiver to the consumers. It may lose what it carries, and may repeat it: how far a
 * part is applied stands in our database, a consumer notices a stretch that does not join, and the venue sends again.
 */
export interface ExecutionBus {
  /**
   * From where the venue has to send again: everything up to this sequence number is applied or safely on the bus.
   * @param applied how far each part is applied, by its number
   */
  resumeAfter(applied: readonly number[]): Promise<number>;

  /** Resolves when the stretches are durable. Called for one batch after the other. @throws when they may not be */
  publish(stretches: readonly Stretch[]): Promise<void>;

  /**
   * What has come for a part, in order, beginning with the stretch that goes beyond `applied`; nothing when there is nothing yet.
   * It may begin further on, where something was lost.
   * @param reports about how many to take at most
   */
  take(partition: number, applied: number, reports: number): Promise<readonly Stretch[]>;

  /** Inside the transaction that applies a part up to here: what a bus in this database may forget. */
  forget(partition: number, through: number, manager: EntityManager): Promise<void>;

  /** Behind the commit of that transaction: what any other bus may forget. */
  acknowledge(partition: number, through: number): Promise<void>;

  /** Resolves when something may have come for one of the parts, or after a while in any case. */
  arrival(partitions: readonly number[], signal: AbortSignal): Promise<void>;

  close?(): Promise<void>;
}
