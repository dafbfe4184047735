const BAR_WIDTH = 24;
const REDRAW_MS = 200;

/** A line that is drawn again and again where somebody watches, and nothing anywhere else. */
export class Progress {
  private readonly startedAt = performance.now();
  private drawnAt = -Infinity;
  private rows = 0;

  /** @param total how many there will be, about; undefined: nobody knows */
  constructor(
    private readonly total: number | undefined,
    private readonly terminal: Pick<NodeJS.WriteStream, 'isTTY' | 'columns' | 'write'> = process.stderr,
  ) {}

  update(rows: number): void {
    this.rows = rows;
    const now = performance.now();
    if (!this.terminal.isTTY || now - this.drawnAt < REDRAW_MS) return;
    this.drawnAt = now;
    this.draw(progressLine({ rows, total: this.total, seconds: this.seconds }));
  }

  /** Says in the same line why nothing moves. */
  pause(reason: string): void {
    if (this.terminal.isTTY) this.draw(`${figure(this.rows)} orders; ${reason}`);
  }

  /** Makes room for lines that stay. */
  end(): void {
    if (this.terminal.isTTY) this.terminal.write('\r\x1b[K');
  }

  get seconds(): number {
    return (performance.now() - this.startedAt) / 1000;
  }

  private draw(line: string): void {
    this.terminal.write(`\r\x1b[K${line.slice(0, (this.terminal.columns || 80) - 1)}`);
  }
}

interface Reached {
  readonly rows: number;
  readonly total: number | undefined;
  readonly seconds: number;
}

/** `[######------------------] 250,000 of about 1,000,000, 12,500 a second, 1 min left` */
export function progressLine({ rows, total, seconds }: Reached): string {
  const perSecond = seconds > 0 ? rows / seconds : 0;
  const speed = `${figure(perSecond)} a second`;
  if (total === undefined) return `${figure(rows)} orders, ${speed}`;
  // An estimate may have been too low.
  const all = Math.max(total, rows, 1);
  const done = Math.floor((rows / all) * BAR_WIDTH);
  const bar = `[${'#'.repeat(done)}${'-'.repeat(BAR_WIDTH - done)}]`;
  const left = perSecond > 0 ? `, ${duration((all - rows) / perSecond)} left` : '';
  return `${bar} ${figure(rows)} of about ${figure(all)}, ${speed}${left}`;
}

export function figure(number: number): string {
  return Math.round(number).toLocaleString('en-US');
}

/** `40 s`, `3 min`, `2 h 5 min` */
export function duration(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
