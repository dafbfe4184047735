/** The clock and the timers; tests turn them by hand. */
export interface Timing {
  /** Milliseconds since 1970. */
  now(): number;
  /** @returns what takes it back */
  after(ms: number, work: () => void): () => void;
}

/** Timers of this process, which can all be taken back at once. */
export class RealTiming implements Timing {
  private readonly timers = new Set<NodeJS.Timeout>();

  now(): number {
    return Date.now();
  }

  after(ms: number, work: () => void): () => void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      work();
    }, ms);
    this.timers.add(timer);
    return () => {
      this.timers.delete(timer);
      clearTimeout(timer);
    };
  }

  stop(): void {
    for (const timer of this.timers) clearTimeout(timer);
    this.timers.clear();
  }
}
