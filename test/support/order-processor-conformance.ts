import { getEventListeners } from 'node:events';
import { types } from 'node:util';

import type { Order } from '@daybook/orders';
import { type OrderProcessor, ProcessingRefused } from '@daybook/processing';

import { expectNothingMoreOpen, openResources, soon } from './open-resources.js';
import { processingOrder, processingOrders } from './processing-order.js';
import { waitFor } from './wait-for.js';

/*
 * What every order processor has to do, as tests: a spec calls describeOrderProcessor and gets them all.
 */

/** How an attempt at an order may end. */
const FATES = ['confirmed', 'deferred', 'refused', 'failed', 'endless'] as const;
export type Fate = (typeof FATES)[number];

/** A processor, and what a test needs to have in hand about it. */
export interface ProcessorUnderTest {
  readonly processor: OrderProcessor;
  /**
   * Sees to it that attempts at the order end so from now on.
   * @returns the order to hand over: the same, or another if an order carries its fate in itself
   */
  arrange(order: Order, fate: Fate): Order;
  /** Resolves when an attempt at the order is under way. Without it an attempt counts as under way when it was called. */
  underWay?(order: Order): Promise<unknown>;
  /** How often the order's work has had its effect. Left out by a processor that has none. */
  effectsOf?(order: Order): number;
  /** Ends whatever was started around the processor, itself included. */
  close(): void | Promise<void>;
}

export interface ConformanceOptions {
  /** Fates that orders cannot have with this processor. */
  readonly never?: readonly Fate[];
}

/** A worker that stops does not wait for longer. */
const PATIENCE_MS = 5_000;

type Make = () => ProcessorUnderTest | Promise<ProcessorUnderTest>;

/** What the tests share: the processor that is made for each of them. */
interface Bench {
  readonly made: () => ProcessorUnderTest;
  readonly knows: (fate: Fate) => boolean;
}

/** Declares the tests that every {@link OrderProcessor} has to pass; `make` is called for each of them. */
export function describeOrderProcessor(
  name: string,
  make: Make,
  { never = [] }: ConformanceOptions = {},
): void {
  describe(`${name}, as every order processor,`, () => {
    let current: ProcessorUnderTest;
    beforeEach(async () => {
      current = await make();
    });
    afterEach(() => current.close());
    const bench: Bench = { made: () => current, knows: (fate) => !never.includes(fate) };

    describeOutcomes(bench);
    describeAbort(bench);
    describeRepetition(bench);
    describeManners(bench);
    itLeavesNothingOpen(make);
  });
}

function describeOutcomes({ made, knows }: Bench): void {
  it('confirms an order by returning nothing', async () => {
    expect(await attempt(made(), processingOrder(), 'confirmed')).toBe('confirmed');
  });

  if (knows('deferred')) {
    it('says for how long it has to be waited for, when the outcome comes later', async () => {
      expect(await attempt(made(), processingOrder(), 'deferred')).toBe('deferred');
    });
  }

  if (knows('refused')) {
    it('refuses an order for good in one short line', async () => {
      const { processor, arrange } = bound(made());
      const refusal = await processor
        .process(arrange(processingOrder(), 'refused'), context())
        .catch((error: unknown) => error);
      expect(refusal).toBeInstanceOf(ProcessingRefused);
      expect((refusal as Error).message).toMatch(/^\P{C}{1,500}$/u);
    });
  }

  if (knows('failed')) {
    it('fails so that an order is tried again, and may then succeed', async () => {
      const order = processingOrder();
      expect(await attempt(made(), order, 'failed', 1)).toBe('failed');
      expect(await attempt(made(), order, 'confirmed', 2)).toBe('confirmed');
    });
  }
}

function describeAbort({ made, knows }: Bench): void {
  if (knows('endless')) {
    it('gives up when it is told to, with the reason it is told, and leaves nothing running', async () => {
      const before = openResources();
      const { processor, arrange, underWay } = bound(made());
      const order = arrange(processingOrder(), 'endless');
      const stop = new AbortController();
      const settled = processor.process(order, { attempt: 1, signal: stop.signal }).then(
        () => 'resolved',
        (error: unknown) => error,
      );
      await underWay(order);
      const reason = new Error('The time of the attempt is up');
      stop.abort(reason);
      expect(await soon('the end of an attempt that was told to stop', settled)).toBe(reason);
      await expectNothingMoreOpen(before);
    });
  }

  it('takes its hands off the signal when it is done', async () => {
    const { processor, arrange } = bound(made());
    const { signal } = new AbortController();
    await processor.process(arrange(processingOrder(), 'confirmed'), { attempt: 1, signal });
    await waitFor('nobody to listen', () => getEventListeners(signal, 'abort').length === 0, PATIENCE_MS);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('does not begin when it was told to stop before', async () => {
    const { processor, arrange, effectsOf } = bound(made());
    const order = arrange(processingOrder(), 'confirmed');
    const reason = new Error('The process stops');
    const settled = processor
      .process(order, { attempt: 1, signal: AbortSignal.abort(reason) })
      .catch((error: unknown) => error);
    expect(await soon('the end of an attempt that must not begin', settled)).toBe(reason);
    expect(effectsOf?.(order) ?? 0).toBe(0);
  });
}

function describeRepetition({ made }: Bench): void {
  it('does the work of an order once, however often it is asked', async () => {
    const { processor, arrange, effectsOf } = bound(made());
    const order = arrange(processingOrder(), 'confirmed');
    // A worker whose lease has run out may be at it still when the next one begins.
    await Promise.all([processor.process(order, context(1)), processor.process(order, context(2))]);
    // Somebody has started the order afresh: its version and its times are others.
    const anew = { ...order, version: order.version + 4, updatedAt: new Date() };
    await processor.process(anew, context(1));
    expect(effectsOf?.(order) ?? 1).toBe(1);
  });
}

function describeManners({ made, knows }: Bench): void {
  it('works on many orders at once and mixes none of them up', async () => {
    const fates = FATES.filter((fate) => fate !== 'endless' && knows(fate));
    const expected = processingOrders(60).map((order, index) => ({
      order,
      fate: fates[index % fates.length] as Fate,
    }));
    const outcomes = await Promise.all(expected.map(({ order, fate }) => attempt(made(), order, fate)));
    expect(outcomes).toEqual(expected.map(({ fate }) => fate));
    for (const { order, fate } of expected) {
      if (fate === 'confirmed') expect(bound(made()).effectsOf?.(order) ?? 1).toBe(1);
      if (fate === 'refused') expect(bound(made()).effectsOf?.(order) ?? 0).toBe(0);
    }
  });

  it('leaves the order it was given as it was', async () => {
    const { processor, arrange } = bound(made());
    const order = arrange(processingOrder(), 'confirmed');
    const before = structuredClone(order);
    await processor.process(frozen(order), context());
    expect(order).toEqual(before);
  });
}

function itLeavesNothingOpen(make: Make): void {
  it('leaves nothing open once it is closed', async () => {
    const before = openResources();
    const own = await make();
    expect(await attempt(own, processingOrder(), 'confirmed')).toBe('confirmed');
    await own.close();
    await expectNothingMoreOpen(before);
  });
}

const context = (number = 1) => ({ attempt: number, signal: new AbortController().signal });

/** The functions of a processor under test, to be called without it; those it need not have are filled in. */
function bound(made: ProcessorUnderTest) {
  return {
    processor: made.processor,
    arrange: made.arrange.bind(made),
    underWay: made.underWay?.bind(made) ?? (() => Promise.resolve()),
    effectsOf: made.effectsOf?.bind(made),
  };
}

/** Makes an attempt at an order that shall end so, and says how it ended. */
async function attempt(made: ProcessorUnderTest, order: Order, fate: Fate, number = 1): Promise<Fate> {
  const arranged = made.arrange(order, fate);
  const [settled] = await Promise.allSettled([made.processor.process(arranged, context(number))]);
  if (settled.status === 'rejected') {
    // Errors of Node itself are no instances of the Error that tests know.
    expect(types.isNativeError(settled.reason)).toBe(true);
    return settled.reason instanceof ProcessingRefused ? 'refused' : 'failed';
  }
  if (settled.value === undefined) return 'confirmed';
  expect(settled.value).toEqual({ deferredForSeconds: expect.any(Number) });
  expect(settled.value.deferredForSeconds).toBeGreaterThan(0);
  return 'deferred';
}

/** The same object, which throws at whoever changes it or anything in it. Dates cannot be frozen. */
function frozen<T extends object>(value: T): T {
  for (const part of Object.values(value)) {
    if (typeof part === 'object' && part !== null && !(part instanceof Date)) frozen(part);
  }
  return Object.freeze(value);
}
