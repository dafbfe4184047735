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
   * From where the venue has to send again: everything up to this sequence number is applied or safely on the bus, without a
   * hole. Asked before the first stretch is published, and again whenever publishing has failed: what is published next has to
   * join what this found. It may be asked in between, too: an answer below what has been published means that the bus has
   * lost something, and that publishing goes on from the answer.
   * @param applied how far each part is applied, by its number
   * @param lost the parts of which a consumer has missed what follows: whatever the bus believes to have of them does not count
   */
  resumeAfter(applied: readonly number[], lost?: readonly number[]): Promise<number>;

  /**
   * Resolves when the stretches are durable. Called for one batch after the other. Each stretch joins what the bus has of its
   * part; it may overlap it, or repeat it.
   * @throws when they may not be durable, or what was published before may not be any more: then {@link resumeAfter} tells
   *   from where to begin again
   */
  publish(stretches: readonly Stretch[]): Promise<void>;

  /**
   * What has come for a part, in order, beginning with the stretch that goes beyond `applied`, and each going beyond the one
   * before; nothing when there is nothing yet. The first may begin below `applied`, and bring reports again that are applied;
   * it may begin further on, where something was lost. Stretches need not be cut as they were published.
   * @param reports about how many to take at most: no further stretch is added once there are as many
   */
  take(partition: number, applied: number, reports: number): Promise<readonly Stretch[]>;

  /** Inside the transaction that applies a part up to here: what a bus in this database may forget. */
  forget(partition: number, through: number, manager: EntityManager): Promise<void>;

  /** Behind the commit of that transaction: what any other bus may forget. */
  acknowledge(partition: number, through: number): Promise<void>;

  /**
   * Resolves when something may have come for one of the parts since they were last taken from, or after a while in any case;
   * at once when the signal is aborted.
   */
  arrival(partitions: readonly number[], signal: AbortSignal): Promise<void>;

  /** Called when the process stops; what still waits for an arrival resolves. A second time does nothing. */
  close?(): Promise<void>;
}
