/** Random numbers that come again with the same seed: a campaign that found something can be repeated. */
export class Random {
  private state: number;

  constructor(...seed: readonly number[]) {
    this.state = seed.reduce(
      (mixed, part) => Math.imul(mixed ^ part, 0x9e3779b1) ^ (mixed >>> 15),
      0x2545f491,
    );
  }

  /** From 0 to just below 1 (mulberry32). */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }

  /** A whole number from `least` to `most`, both included. */
  between(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(choices: readonly T[]): T {
    const [first, ...others] = choices;
    if (first === undefined) throw new RangeError('There is nothing to pick from');
    return [first, ...others][this.between(0, others.length)] as T;
  }
}
