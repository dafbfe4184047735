import { inspect } from 'node:util';

import type { Claim, Verdict } from '../attempt.js';
import { type Deferred, type OrderProcessor, ProcessingRefused } from '../order-processor.js';

const LONGEST_REASON = 500;

/** Why an attempt is asked to end; a processor finds it as the reason of its signal. */
export class AttemptEnded extends Error {
  constructor(readonly end: 'timed_out' | 'handed_back' | 'lost') {
    super(MESSAGES[end]);
    this.name = 'AttemptEnded';
  }
}

const MESSAGES = {
  timed_out: 'The time limit is up.',
  handed_back: 'The worker stops.',
  lost: 'Another worker has the order now.',
};

/** A verdict that tells how long the attempt took. */
type TimedVerdict = Verdict & { readonly durationMs: number };

/**
 * One attempt under way. It ends with the processor, with its time limit or when it is asked to, whichever comes first:
 * a processor that does not listen to its signal is not waited for, and what it says afterwards counts for nothing.
 */
export class RunningAttempt {
  /** How it ended, undefined when its order is somebody else's now. Never rejects. */
  readonly ended: Promise<TimedVerdict | Deferred | undefined>;
  /** Its outcome will be reported by somebody else. */
  isDeferred = false;
  private readonly abortion = new AbortController();
  private readonly cutShort = Promise.withResolvers<AttemptEnded>();

  constructor(
    readonly claim: Claim,
    processor: OrderProcessor,
    timeLimitMs: number,
  ) {
    this.ended = this.run(processor, timeLimitMs);
  }

  /** Asks the processor to end, and does not wait for it. */
  end(end: AttemptEnded['end']): void {
    const reason = new AttemptEnded(end);
    this.cutShort.resolve(reason);
    this.abortion.abort(reason);
  }

  private async run(
    processor: OrderProcessor,
    timeLimitMs: number,
  ): Promise<TimedVerdict | Deferred | undefined> {
    const startedAt = performance.now();
    const timer = setTimeout(() => this.end('timed_out'), timeLimitMs);
    const end = await Promise.race([this.cutShort.promise, this.process(processor)]);
    clearTimeout(timer);
    this.isDeferred = isDeferred(end);
    if (isDeferred(end)) return end;
    const durationMs = performance.now() - startedAt;
    if (!(end instanceof AttemptEnded)) return { ...end, durationMs };
    return end.end === 'lost' ? undefined : { outcome: end.end, reason: end.message, durationMs };
  }

  private async process(processor: OrderProcessor): Promise<Verdict | Deferred> {
    const { order, retryCount } = this.claim;
    try {
      const result: unknown = await processor.process(order, {
        signal: this.abortion.signal,
        attempt: retryCount + 1,
      });
      // A processor that is not typed may return anything, and has not thrown.
      return isDeferred(result) ? result : { outcome: 'confirmed' };
    } catch (error) {
      const outcome = error instanceof ProcessingRefused ? 'refused' : 'failed';
      return { outcome, reason: reasonOf(error) };
    }
  }
}

export function isDeferred(end: unknown): end is Deferred {
  return typeof end === 'object' && end !== null && 'deferredForSeconds' in end;
}

/** As the journal can hold it: PostgreSQL knows no NUL. */
function reasonOf(error: unknown): string {
  const text = textOf(error).replaceAll('\0', '').slice(0, LONGEST_REASON).toWellFormed();
  return text || 'without a reason';
}

function textOf(error: unknown): string {
  if (error instanceof Error && typeof error.message === 'string') return error.message;
  return typeof error === 'string' ? error : inspect(error);
}
