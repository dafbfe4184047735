import { setTimeout as pause } from 'node:timers/promises';

import { Inject, Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';

import { CommitOutcomeUnknown, inRepeatedTransaction, isRepeatable } from '../database/transaction.js';
import { DomainError } from '../errors/domain-error.js';
import { Readiness } from '../health/health.controller.js';
import type { Answer } from '../http/answer.js';
import { type IdempotencyClaim, IdempotencyInFlight, IdempotencyStore } from './idempotency.js';

const FIRST_LOOK_MS = 50;
const LONGEST_PAUSE_MS = 500;

/**
 * For commands that go on behind their commit: that commits a provisional answer for the idempotency key, and a second
 * transaction replaces it. Repetitions wait for that here, so that all of them are answered alike.
 */
@Injectable()
export class ProvisionalAnswers {
  /** What ends with the final answer to a key, be it the work itself or somebody looking for it. */
  private readonly awaited = new Map<string, Promise<Answer>>();

  constructor(
    @Inject(DataSource) private readonly database: DataSource,
    private readonly store: IdempotencyStore,
    private readonly readiness: Readiness,
  ) {}

  /** While `work` goes on, repetitions in this process get what it comes to. */
  expect(claim: IdempotencyClaim | undefined, work: Promise<Answer>): Promise<Answer> {
    return claim === undefined ? work : this.share(claim, work);
  }

  /**
   * The final answer to a repetition. When there is none in time, because the process that would give it has died, the
   * provisional one becomes final: from then on nothing replaces it, so that no two repetitions are answered differently.
   * @throws {IdempotencyInFlight} when it cannot be told now: another repetition can be, in a moment
   */
  async finalFor(claim: IdempotencyClaim, provisional: Answer, patienceMs: number): Promise<Answer> {
    const awaited =
      this.awaited.get(identityOf(claim)) ?? this.share(claim, this.lookFor(claim, provisional, patienceMs));
    return (await awaited).asReplay();
  }

  private share(claim: IdempotencyClaim, work: Promise<Answer>): Promise<Answer> {
    const identity = identityOf(claim);
    const shared = work.finally(() => {
      if (this.awaited.get(identity) === shared) this.awaited.delete(identity);
    });
    this.awaited.set(identity, shared);
    return shared;
  }

  private async lookFor(claim: IdempotencyClaim, provisional: Answer, patienceMs: number): Promise<Answer> {
    const until = performance.now() + patienceMs;
    for (let pauseMs = FIRST_LOOK_MS; performance.now() < until; pauseMs *= 1.5) {
      await pause(Math.min(pauseMs, LONGEST_PAUSE_MS));
      if (this.readiness.isStopping) throw new IdempotencyInFlight();
      const stored = await this.look(claim);
      if (!stored.isProvisional) return stored;
    }
    return this.transact(async (manager) => {
      const [isFinal] = await this.store.conclude(manager, [{ claim, answer: provisional }]);
      return isFinal ? provisional : this.read(claim, manager);
    });
  }

  private look(claim: IdempotencyClaim): Promise<Answer> {
    return this.transact((manager) => this.read(claim, manager));
  }

  private async transact(work: (manager: EntityManager) => Promise<Answer>): Promise<Answer> {
    try {
      return await inRepeatedTransaction(this.database, work);
    } catch (error) {
      if (error instanceof CommitOutcomeUnknown || isRepeatable(error)) throw new IdempotencyInFlight();
      throw error;
    }
  }

  private async read(claim: IdempotencyClaim, manager: EntityManager): Promise<Answer> {
    const [stored] = await this.store.find(manager, [claim]);
    // It was forgotten, being old, since it was found.
    if (stored === undefined) throw new IdempotencyInFlight();
    if (stored instanceof DomainError) throw stored;
    return stored;
  }
}

/** Neither can contain a line feed. */
function identityOf({ caller, key }: IdempotencyClaim): string {
  return `${caller}\n${key}`;
}
