export type RequestKind = 'place' | 'cancel' | 'find';

/** What the venue was asked, and how often: a test can see here that an order came once. */
export class Counts {
  private readonly totals = {
    /** Placements that reached the venue, whatever became of them. */
    placements: 0,
    /** New orders that were taken. */
    accepted: 0,
    /** New orders that were refused. */
    refused: 0,
    /** Placements of orders that were known. */
    repeated: 0,
    cancels: 0,
    finds: 0,
    /** Requests of all kinds that were answered 503. */
    failed: 0,
    /** Requests of all kinds that were not answered. */
    unanswered: 0,
  };
  private readonly byKind = new Map<string, number>();
  /** How often each order was placed, not counting failures. */
  private readonly byOrder = new Map<string, number>();

  /** @returns the how manieth request of this kind about the order it is */
  received(kind: RequestKind, clOrdId: string): number {
    this.totals[`${kind}${kind === 'place' ? 'ments' : 's'}` as 'placements' | 'cancels' | 'finds'] += 1;
    const key = `${kind} ${clOrdId}`;
    const times = (this.byKind.get(key) ?? 0) + 1;
    this.byKind.set(key, times);
    return times;
  }

  placed(clOrdId: string, became: 'accepted' | 'refused' | 'repeated'): void {
    this.totals[became] += 1;
    this.byOrder.set(clOrdId, (this.byOrder.get(clOrdId) ?? 0) + 1);
  }

  failed(): void {
    this.totals.failed += 1;
  }

  unanswered(): void {
    this.totals.unanswered += 1;
  }

  describe(): object {
    return { ...this.totals, placed: Object.fromEntries(this.byOrder) };
  }
}
