import type { Order } from '@daybook/orders';

import type { AttemptContext, OrderProcessor } from '../order-processor.js';

const SHORTEST_MS = 1_000;
const LONGEST_MS = 5_000;

export interface SimulatedProcessorOptions {
  /** How many of a hundred attempts fail; another attempt may then succeed. */
  readonly failurePercent: number;
  /** From 0 to below 1, as Math.random. */
  readonly random?: () => number;
}

/** Takes the time an order asks for, or 1 to 5 seconds, and does nothing else. */
export class SimulatedProcessor implements OrderProcessor {
  private readonly failurePercent: number;
  private readonly random: () => number;

  constructor({ failurePercent, random = Math.random }: SimulatedProcessorOptions) {
    this.failurePercent = failurePercent;
    this.random = random;
  }

  async process(
    { id, processingTimeMs }: Readonly<Order>,
    { signal, attempt }: AttemptContext,
  ): Promise<void> {
    signal.throwIfAborted();
    const durationMs = processingTimeMs ?? this.randomDurationMs();
    // A timer of zero takes a millisecond, and a turn of the event loop, for nothing.
    if (durationMs > 0) await pauseUnlessAborted(durationMs, signal);
    if (this.random() * 100 < this.failurePercent) {
      throw new Error(`Attempt ${attempt} at order ${id} failed, as simulated ones do now and then`);
    }
  }

  private randomDurationMs(): number {
    return SHORTEST_MS + Math.floor(this.random() * (LONGEST_MS - SHORTEST_MS + 1));
  }
}

/** @throws the signal's reason */
function pauseUnlessAborted(durationMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, durationMs);
    signal.addEventListener('abort', stop, { once: true });
  });
}
