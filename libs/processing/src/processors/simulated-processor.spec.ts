import type { Order } from '@daybook/orders';

import {
  describeOrderProcessor,
  type Fate,
  type ProcessorUnderTest,
} from '../../../../test/support/order-processor-conformance.js';
import { processingOrder } from '../../../../test/support/processing-order.js';
import { SimulatedProcessor } from './simulated-processor.js';

const TEN_MINUTES_MS = 600_000;

const context = () => ({ attempt: 2, signal: new AbortController().signal });

/** One that lets an order fail or not as a test wants it, where chance would decide. */
function underTest(): ProcessorUnderTest {
  const fates = new Map<string, Fate>();
  const lucky = new SimulatedProcessor({ failurePercent: 0 });
  const unlucky = new SimulatedProcessor({ failurePercent: 100 });
  return {
    processor: {
      process: (order, attempt) =>
        (fates.get(order.id) === 'failed' ? unlucky : lucky).process(order, attempt),
    },
    arrange(order: Order, fate: Fate): Order {
      fates.set(order.id, fate);
      return { ...order, processingTimeMs: fate === 'endless' ? TEN_MINUTES_MS : 1 };
    },
    close: () => undefined,
  };
}

describeOrderProcessor('The simulated processor', underTest, { never: ['refused', 'deferred'] });

describe('the simulated processor', () => {
  const { jest } = import.meta;
  afterEach(() => jest.useRealTimers());

  /** How long an order takes, by a clock that the test turns. */
  async function durationOf(processingTimeMs: number | null, random: number): Promise<number> {
    jest.useFakeTimers();
    const processor = new SimulatedProcessor({ failurePercent: 0, random: () => random });
    const startedAt = Date.now();
    let endedAt: number | undefined;
    void processor
      .process(processingOrder({ processingTimeMs }), context())
      .then(() => (endedAt = Date.now()));
    await jest.runAllTimersAsync();
    return (endedAt as number) - startedAt;
  }

  it('takes as long as the order says', async () => {
    expect(await durationOf(1_234, 0.5)).toBe(1_234);
  });

  it.each([
    [0, 1_000],
    [0.5, 3_000],
    [0.999999, 5_000],
  ])('takes between 1 and 5 seconds for an order that says nothing (%d: %d ms)', async (random, ms) => {
    expect(await durationOf(null, random)).toBe(ms);
  });

  it('sets no timer for an order that takes no time', async () => {
    jest.useFakeTimers();
    await new SimulatedProcessor({ failurePercent: 0 }).process(processingOrder(), context());
    expect(jest.getTimerCount()).toBe(0);
  });

  it('lets as many of a hundred attempts fail as it is told', async () => {
    for (const failurePercent of [0, 1, 30, 100]) {
      let draws = 0;
      const random = () => (draws++ % 100) / 100;
      const processor = new SimulatedProcessor({ failurePercent, random });
      const attempts = Array.from({ length: 100 }, () => processor.process(processingOrder(), context()));
      const settled = await Promise.allSettled(attempts);
      expect(settled.filter(({ status }) => status === 'rejected')).toHaveLength(failurePercent);
    }
  });

  it('says which attempt failed', async () => {
    const unlucky = new SimulatedProcessor({ failurePercent: 100 });
    await expect(unlucky.process(processingOrder(), context())).rejects.toThrow(
      'Attempt 2 at order 20261120-00001 failed',
    );
  });
});
