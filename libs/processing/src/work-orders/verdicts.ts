import { setTimeout as pause } from 'node:timers/promises';

import { Injectable, Logger } from '@nestjs/common';

import {
  DatabaseUnavailable,
  DomainError,
  OutcomeUnknown,
  Overloaded,
  systemContext,
} from '@daybook/platform';

import { type Claim, requestIdOf, type Verdict } from '../attempt.js';
import { OrderQueue } from '../order-queue.js';
import { SettleAttempts } from '../settle-attempts.js';

const RETRY_MS = 250;
/** How often what nobody expects is tried again: some ten seconds, in which a failover or a full disk may be over. */
const UNEXPECTED_RETRIES = 40;

/**
 * Writes down how the workers' attempts ended, and tries until that is done or refused: an order that was worked off is
 * not worked off again because of a short outage. Nothing here rejects.
 */
@Injectable()
export class Verdicts {
  private readonly logger = new Logger('Processing');
  private hasGivenUp = false;

  constructor(
    private readonly settlements: SettleAttempts,
    private readonly queue: OrderQueue,
  ) {}

  async write(claim: Claim, verdict: Verdict): Promise<void> {
    await this.untilDone(claim, verdict.outcome, () =>
      this.settlements.settle(claim, verdict, systemContext(requestIdOf(claim))),
    );
  }

  async defer(claim: Claim, seconds: number): Promise<void> {
    await this.untilDone(claim, 'deferred', () => this.queue.defer(claim, seconds));
  }

  /** From now on nothing is tried again. What is not written down is taken back by others. */
  giveUp(): void {
    this.hasGivenUp = true;
  }

  private async untilDone({ orderId }: Claim, outcome: string, write: () => Promise<unknown>): Promise<void> {
    let isInDoubt = false;
    let unexpected = 0;
    while (!this.hasGivenUp) {
      const error = await failureOf(write);
      if (error === undefined) return;
      if (isRefusal(error)) {
        // After a commit in doubt, being too late means that it happened.
        if (!isInDoubt)
          this.logger.warn({ orderId, outcome, message: `A late result was refused: ${error.message}` });
        return;
      }
      if (!isOutage(error)) {
        unexpected += 1;
        if (unexpected === 1 || unexpected > UNEXPECTED_RETRIES)
          this.logger.error({ err: error, orderId, outcome, message: 'An attempt could not be settled' });
        if (unexpected > UNEXPECTED_RETRIES) return;
      }
      isInDoubt ||= error instanceof OutcomeUnknown;
      await pause(RETRY_MS);
    }
  }
}

async function failureOf(write: () => Promise<unknown>): Promise<unknown> {
  try {
    await write();
    return undefined;
  } catch (error) {
    return error ?? new Error('without a reason');
  }
}

function isOutage(error: unknown): boolean {
  return error instanceof Overloaded || error instanceof DatabaseUnavailable;
}

/** The attempt does not hold its order any more. */
function isRefusal(error: unknown): error is DomainError {
  return error instanceof DomainError && !isOutage(error);
}
