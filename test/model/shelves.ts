/** What is wanted, or held, of one product. */
export interface Line {
  readonly sku: string;
  readonly quantity: number;
}

export interface Parcel {
  readonly warehouse: string;
  readonly quantity: number;
}

export interface AllocatedLine extends Line {
  readonly allocations: readonly Parcel[];
}

/** A line that asks for more than there is, as a refusal names it. */
export interface Short {
  readonly sku: string;
  readonly requested: number;
  readonly available: number;
}

/** A part of a level that belongs to somebody: to an order, or, until it is due, to a reservation. */
export interface Claim {
  readonly owner: string;
  readonly sku: string;
  readonly warehouse: string;
  readonly quantity: number;
  /** Milliseconds; undefined: an order's, which is never due. */
  readonly dueAt: number | undefined;
}

/** One level as clients see it, or as it is stored. */
export interface LevelFigures {
  readonly warehouse: string;
  readonly onHand: number;
  readonly reserved: number;
  readonly allocated: number;
  readonly available: number;
}

/** Best first. Two of them have the same priority. */
export const WAREHOUSES = ['main', 'north', 'south'] as const;

/**
 * The stock of the model. Slow and obvious: a list of claims, and every figure is summed up from it whenever it is
 * needed.
 */
export class Shelves {
  claims: readonly Claim[] = [];
  private readonly onHand = new Map<string, Map<string, number>>();

  constructor(readonly skus: readonly string[]) {
    for (const sku of skus) this.onHand.set(sku, new Map([['main', 0]]));
  }

  /** The levels that exist, best warehouse first. */
  levels(sku: string): string[] {
    return WAREHOUSES.filter((warehouse) => this.onHand.get(sku)?.has(warehouse));
  }

  /** @param now leaves out what is overdue at this moment; undefined: as it is stored */
  figures(sku: string, warehouse: string, now?: number): LevelFigures {
    const claims = this.claims.filter((claim) => claim.sku === sku && claim.warehouse === warehouse);
    const held = claims.filter(
      ({ dueAt }) => dueAt !== undefined && (now === undefined || !isDue(dueAt, now)),
    );
    const onHand = this.onHand.get(sku)?.get(warehouse) ?? 0;
    const reserved = sum(held);
    const allocated = sum(claims.filter(({ dueAt }) => dueAt === undefined));
    return { warehouse, onHand, reserved, allocated, available: onHand - reserved - allocated };
  }

  change(sku: string, warehouse: string, delta: number): void {
    const levels = this.onHand.get(sku) as Map<string, number>;
    levels.set(warehouse, (levels.get(warehouse) ?? 0) + delta);
  }

  /** The warehouses for all lines, or what is short even after the overdue holds on what was short have ended. */
  allocate(lines: readonly Line[], now: number): { allocated: AllocatedLine[] } | { short: Short[] } {
    const first = this.findShort(lines);
    for (const { sku } of first) this.endOverdue(now, (claim) => claim.sku === sku);
    const short = first.length === 0 ? [] : this.findShort(lines);
    return short.length > 0 ? { short } : { allocated: this.choose(lines) };
  }

  claim(owner: string, lines: readonly AllocatedLine[], dueAt?: number): void {
    const claims = lines.flatMap(({ sku, allocations }) =>
      allocations.map(({ warehouse, quantity }) => ({ owner, sku, warehouse, quantity, dueAt })),
    );
    this.claims = [...this.claims, ...claims];
  }

  /** Ends all claims of an owner. */
  free(owner: string): void {
    this.claims = this.claims.filter((claim) => claim.owner !== owner);
  }

  extend(owner: string, dueAt: number): void {
    this.claims = this.claims.map((claim) => (claim.owner === owner ? { ...claim, dueAt } : claim));
  }

  endOverdue(now: number, concerns: (claim: Claim) => boolean): void {
    this.claims = this.claims.filter(
      (claim) => claim.dueAt === undefined || !isDue(claim.dueAt, now) || !concerns(claim),
    );
  }

  private findShort(lines: readonly Line[]): Short[] {
    return [...Map.groupBy(lines, ({ sku }) => sku)]
      .map(([sku, own]) => ({
        sku,
        requested: sum(own),
        available: this.levels(sku).reduce((total, place) => total + this.figures(sku, place).available, 0),
      }))
      .filter(({ requested, available }) => requested > available);
  }

  /** One warehouse for everything, else one per line, else what the best ones have. */
  private choose(lines: readonly Line[]): AllocatedLine[] {
    const left = (taken: readonly AllocatedLine[], sku: string, warehouse: string) =>
      this.figures(sku, warehouse).available -
      sum(
        taken
          .filter((line) => line.sku === sku)
          .flatMap(({ allocations }) => allocations.filter((parcel) => parcel.warehouse === warehouse)),
      );
    const whole = WAREHOUSES.find((warehouse) =>
      lines.every(({ sku }) => sum(lines.filter((line) => line.sku === sku)) <= left([], sku, warehouse)),
    );
    const taken: AllocatedLine[] = [];
    for (const line of lines) {
      const { sku, quantity } = line;
      const single = whole ?? WAREHOUSES.find((warehouse) => left(taken, sku, warehouse) >= quantity);
      const allocations: Parcel[] = [];
      for (const warehouse of single === undefined ? WAREHOUSES : [single]) {
        const part = Math.min(left(taken, sku, warehouse), quantity - sum(allocations));
        if (part > 0) allocations.push({ warehouse, quantity: part });
      }
      taken.push({ ...line, allocations });
    }
    return taken;
  }
}

/** At its very deadline a hold is over. */
export function isDue(dueAt: number, now: number): boolean {
  return dueAt <= now;
}

function sum(parts: readonly { readonly quantity: number }[]): number {
  return parts.reduce((total, { quantity }) => total + quantity, 0);
}
