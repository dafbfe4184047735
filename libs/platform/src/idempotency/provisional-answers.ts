import { setTimeout as pause } from 'node:timers/promises';

import { Inject, Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';

import { inTransaction } from '../database/transaction.js';
import { DomainError } from '../errors/domain-error.js';
import type { Answer } from '../http/answer.js';
import { type IdempotencyClaim, IdempotencyStore } from './idempotency.js';

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
  ) {}

  /** While `work` goes on, repetitions in this process get what it comes to. */
  expect(claim: IdempotencyClaim | undefined, work: Promise<Answer>): Promise<Answer> {
    return claim === undefined ? work : this.share(claim, work);
  }

  /**
   * The final answer to a repetition. When there is none in time, because the process that would give it has died, the
   * provisional one becomes final: from then on nothing replaces it, so that no two repetitions are answered differently.
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
      const stored = await this.look(claim);
      if (!stored.isProvisional) return stored;
    }
    return inTransaction(this.database, async (manager) => {
      const [isFinal] = await this.store.conclude(manager, [{ claim, answer: provisional }]);
      return isFinal ? provisional : this.read(claim, manager);
    });
  }

  private look(claim: IdempotencyClaim): Promise<Answer> {
    return inTransaction(this.database, (manager) => this.read(claim, manager));
  }

  private async read(
    claim: IdempotencyClaim,
    manager: Parameters<IdempotencyStore['find']>[0],
  ): Promise<Answer> {
    const [stored] = await this.store.find(manager, [claim]);
    if (stored === undefined)
      throw new Error('An idempotency key was forgotten while its request was under way');
    if (stored instanceof DomainError) throw stored;
    return stored;
  }
}

/** Neither can contain a line feed. */
function identityOf({ caller, key }: IdempotencyClaim): string {
  return `${caller}\n${key}`;
}
