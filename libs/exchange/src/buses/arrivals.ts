/** Who waits for something to come to one of the parts, and what came while nobody waited. */
export class Arrivals {
  private readonly arrived = new Set<number>();
  private readonly waiting = new Set<() => void>();
  private isClosed = false;

  /** @param lookEveryMs nobody waits for longer */
  constructor(private readonly lookEveryMs: number) {}

  /** Something may have come to these parts. */
  note(partitions: Iterable<number>): void {
    for (const partition of partitions) this.arrived.add(partition);
    for (const look of this.waiting) look();
  }

  /** Whoever takes from a part now finds all that has come so far. */
  look(partition: number): void {
    this.arrived.delete(partition);
  }

  async wait(partitions: readonly number[], signal: AbortSignal): Promise<void> {
    const isOver = () => this.isClosed || signal.aborted || partitions.some((part) => this.arrived.has(part));
    if (isOver()) return;
    await new Promise<void>((resolve) => {
      const end = () => {
        clearTimeout(timer);
        this.waiting.delete(look);
        signal.removeEventListener('abort', end);
        resolve();
      };
      const look = () => {
        if (isOver()) end();
      };
      const timer = setTimeout(end, this.lookEveryMs);
      this.waiting.add(look);
      signal.addEventListener('abort', end);
    });
  }

  /** Nobody waits any more, or ever again. */
  close(): void {
    this.isClosed = true;
    for (const look of this.waiting) look();
  }
}
