import { once } from 'node:events';

import type { Order, OrderId } from '@daybook/orders';

import type { Claim } from '../attempt.js';
import { type AttemptContext, type OrderProcessor, ProcessingRefused } from '../order-processor.js';
import { AttemptEnded, RunningAttempt } from './running-attempt.js';

const LONG_MS = 60_000;

const claim: Claim = {
  id: '00000000-0000-0000-02d0-0f4c1ffd1001',
  retryCount: 2,
  orderId: '20261120-00001' as OrderId,
  version: 4,
  order: { id: '20261120-00001', version: 4 } as Order,
};

/** Starts an attempt of the processor, which is also handed what it was given. */
function attempt(process: OrderProcessor['process'], timeLimitMs = LONG_MS): RunningAttempt {
  return new RunningAttempt(claim, { process }, timeLimitMs);
}

/** A processor that ends only when its signal says so, and then does as `atEnd` does. */
function patient(atEnd: (signal: AbortSignal) => void = (signal) => signal.throwIfAborted()) {
  return async (_: unknown, { signal }: AttemptContext) => {
    await once(signal, 'abort');
    atEnd(signal);
  };
}

describe('an attempt', () => {
  it('hands the processor its order and which attempt it is', async () => {
    const seen: unknown[] = [];
    const running = attempt(async (order, { attempt: number, signal }) => {
      seen.push(order, number, signal.aborted);
    });
    expect(await running.ended).toEqual({ outcome: 'confirmed', durationMs: expect.any(Number) });
    expect(seen).toEqual([claim.order, 3, false]);
  });

  it('that the processor refuses is refused, with its reason', async () => {
    const running = attempt(async () => {
      throw new ProcessingRefused('No such street');
    });
    expect(await running.ended).toMatchObject({ outcome: 'refused', reason: 'No such street' });
  });

  it.each<[what: string, thrown: unknown, reason: string]>([
    ['an error', new Error('The printer is out of paper'), 'The printer is out of paper'],
    ['a text', 'no', 'no'],
    ['nothing to say', new Error(''), 'without a reason'],
    ['nothing', undefined, 'undefined'],
    ['what has no text', Object.create(null), '[Object: null prototype] {}'],
    ['an error without a text', Object.assign(new Error(), { message: 7 }), expect.stringContaining('7')],
    ['what no column can hold', new Error('a\0b\ud800'), 'ab\ufffd'],
    ['a whole novel', new Error('x'.repeat(10_000)), 'x'.repeat(500)],
  ])('whose processor throws %s has failed', async (_, thrown, reason) => {
    const rejecting = attempt(async () => {
      throw thrown;
    });
    const throwing = attempt(() => {
      throw thrown;
    });
    expect(await rejecting.ended).toMatchObject({ outcome: 'failed', reason });
    expect(await throwing.ended).toMatchObject({ outcome: 'failed', reason });
  });

  it('that is deferred has no outcome yet', async () => {
    const running = attempt(async () => ({ deferredForSeconds: 60 }));
    expect(await running.ended).toEqual({ deferredForSeconds: 60 });
    expect(running.isDeferred).toBe(true);
  });
});

it.each([['OK'], [7], [{ status: 'sent' }], [null]])(
  'an attempt whose processor, against its type, returns %p is confirmed',
  async (result) => {
    const running = attempt(async () => result as unknown as undefined);
    expect(await running.ended).toMatchObject({ outcome: 'confirmed' });
  },
);

describe('the time limit', () => {
  it('aborts the signal and ends the attempt as timed out', async () => {
    const reason = Promise.withResolvers<unknown>();
    const running = attempt(
      patient((signal) => reason.resolve(signal.reason)),
      1,
    );
    expect(await running.ended).toMatchObject({ outcome: 'timed_out', reason: 'The time limit is up.' });
    expect(await reason.promise).toBeInstanceOf(AttemptEnded);
  });

  it('does not wait for a processor that does not listen', async () => {
    const running = attempt(() => new Promise(() => undefined), 1);
    expect(await running.ended).toMatchObject({ outcome: 'timed_out' });
  });

  it('decides, also when the processor succeeds after all as soon as it is asked to end', async () => {
    const running = attempt(
      patient(() => undefined),
      1,
    );
    expect(await running.ended).toMatchObject({ outcome: 'timed_out' });
  });
});

describe('an attempt that is asked to end', () => {
  it('because the worker stops is handed back', async () => {
    const running = attempt(patient());
    running.end('handed_back');
    expect(await running.ended).toMatchObject({ outcome: 'handed_back', reason: 'The worker stops.' });
  });

  it('because it has lost its order has nothing to tell', async () => {
    const running = attempt(patient());
    running.end('lost');
    expect(await running.ended).toBeUndefined();
  });

  it('when it has ended already stays as it ended', async () => {
    const running = attempt(async () => undefined);
    await running.ended;
    running.end('handed_back');
    expect(await running.ended).toMatchObject({ outcome: 'confirmed' });
  });
});
