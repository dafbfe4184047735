import type { Behaviour } from './behaviour.js';
import { between, chance, type Random } from './random.js';

/** What a reader gets next. */
export interface Portion {
  readonly sequences: readonly number[];
  /** The connection breaks behind them. */
  readonly isCut: boolean;
}

interface Held {
  readonly sequence: number;
  /** It is sent behind so many reports. */
  readonly dueAt: number;
}

/** Decides for one connection in which order reports are sent, which of them twice, and which not at all. */
export class FaultyFeed {
  private taken = 0;
  private gapLeft = 0;
  private held: Held[] = [];

  /** @param newAfter reports up to this one were there before the connection: they are replayed, without gaps or cuts */
  constructor(
    private readonly newAfter: number,
    private readonly random: Random,
  ) {}

  /** Whether some are held back, to be sent behind others that have to come first. */
  get isHolding(): boolean {
    return this.held.length > 0;
  }

  /** The reports from `first` to `last`, as they are sent. */
  take(first: number, last: number, behaviour: Behaviour): Portion {
    const sequences: number[] = [];
    for (let sequence = first; sequence <= last; sequence += 1) {
      this.taken += 1;
      if (this.isLeftOut(sequence, behaviour)) continue;
      if (chance(this.random, behaviour.reorderPercent)) this.hold(sequence, behaviour);
      else sequences.push(sequence);
      if (chance(this.random, behaviour.duplicatePercent)) this.hold(sequence, behaviour);
      if (this.held.length > 0) this.releaseDue(sequences);
      if (sequence > this.newAfter && chance(this.random, behaviour.disconnectPercent))
        return { sequences, isCut: true };
    }
    return { sequences, isCut: false };
  }

  /** Those that are held back, because no others come. */
  release(): readonly number[] {
    const sequences = this.held.toSorted((a, b) => a.dueAt - b.dueAt).map(({ sequence }) => sequence);
    this.held = [];
    return sequences;
  }

  private isLeftOut(sequence: number, { gapPercent, gapLength }: Behaviour): boolean {
    if (this.gapLeft === 0 && sequence > this.newAfter && chance(this.random, gapPercent))
      this.gapLeft = between(this.random, 1, gapLength);
    if (this.gapLeft === 0) return false;
    this.gapLeft -= 1;
    return true;
  }

  private hold(sequence: number, { reorderWindow }: Behaviour): void {
    this.held.push({ sequence, dueAt: this.taken + between(this.random, 1, reorderWindow) });
  }

  private releaseDue(sequences: number[]): void {
    const due = this.held.filter(({ dueAt }) => dueAt <= this.taken);
    if (due.length === 0) return;
    sequences.push(...due.map(({ sequence }) => sequence));
    this.held = this.held.filter(({ dueAt }) => dueAt > this.taken);
  }
}
