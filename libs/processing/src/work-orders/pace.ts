const REMEMBERED = 100;
const HORIZON_MS = 20;
const MOST = 250;

/**
 * How many orders to claim beyond the workers that are free: as many as these will begin within {@link HORIZON_MS}, if
 * they go on as slowly as the slowest of the latest attempts. Work that takes no time needs large claims, because every
 * claim is a transaction; of work that takes its time nothing is claimed ahead, and a high order waits for nobody.
 */
export class Pace {
  private readonly latestMs: number[] = [];

  note(durationMs: number): void {
    this.latestMs.push(durationMs);
    if (this.latestMs.length > REMEMBERED) this.latestMs.shift();
  }

  ordersAhead(workers: number): number {
    if (this.latestMs.length < REMEMBERED) return 0;
    return Math.min(MOST, Math.floor((workers * HORIZON_MS) / Math.max(...this.latestMs)));
  }
}
