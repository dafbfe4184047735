/** One of so many orders that a process starts is a normal one, once these have waited long enough. */
const SHARE = 10;

/** Keeps a share of the starts for normal orders that have waited for longer than they should. */
export class NormalShare {
  /** Whether the next normal order has waited that long. */
  isDue = false;
  private started = 0;

  /** How many of the next `count` orders have to be normal ones. */
  of(count: number): number {
    return this.isDue ? Math.floor((this.started + count) / SHARE) : 0;
  }

  note(started: number): void {
    this.started = (this.started + started) % SHARE;
  }
}
