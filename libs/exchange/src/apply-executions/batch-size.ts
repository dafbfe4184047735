const LEAST = 500;
const MOST = 4_000;
/** Nobody who wants to change an order waits much longer for one of these transactions. */
const GOOD_MS = 250;
const LONG_MS = 600;

/** How many reports are applied together: more while there is a backlog, fewer when that takes long, one when one is poisonous. */
export class BatchSize {
  private wanted = LEAST;
  private suspects: number | undefined;

  /** How many to take about. */
  get limit(): number {
    return this.suspects ?? this.wanted;
  }

  /** How many to apply at most, while a report that cannot be applied is looked for. */
  get most(): number {
    return this.suspects ?? Infinity;
  }

  succeeded(count: number, ms: number): void {
    // Twice as many with every success: the poisonous one may be among them again, and is found again.
    if (this.suspects !== undefined) this.suspects = this.suspects >= LEAST ? undefined : this.suspects * 2;
    else if (ms > LONG_MS) this.wanted = Math.max(LEAST, this.wanted / 2);
    else if (count >= this.wanted && ms < GOOD_MS) this.wanted = Math.min(MOST, this.wanted * 2);
  }

  /** A transaction came to nothing; perhaps it took too long, or waited for too many. */
  gaveUp(): void {
    this.wanted = Math.max(LEAST, this.wanted / 2);
  }

  /** One of these cannot be applied. */
  failed(count: number): void {
    this.suspects = Math.max(1, Math.floor(count / 2));
  }
}
