import { DataSource } from 'typeorm';

import type { HeldLease, Leases } from './leases.js';

const LEASE_SECONDS = 5;
/** So long after its last sign of life nothing is left of a member. */
const FORGET_AFTER = '1 minute';

// One row per member, renewed with every beat; nobody else writes it, so it needs no fence.
const APPEAR = `
  INSERT INTO leases (name, holder, lease_until)
  VALUES ($1, $2, business_now() + make_interval(secs => ${LEASE_SECONDS}))
  ON CONFLICT (name) DO UPDATE SET lease_until = excluded.lease_until`;

const DEPART = `DELETE FROM leases WHERE name = $1`;

const FORGET = `
  DELETE FROM leases WHERE starts_with(name, $1) AND lease_until < business_now() - interval '${FORGET_AFTER}'`;

const LIVE = `
  SELECT name FROM leases WHERE starts_with(name, $1) AND lease_until > business_now() ORDER BY name`;

/**
 * Things that several processes do between them, each by one process at a time: every process that takes part gets its fair share,
 * hands over what is too much when others join, and takes over what nobody holds any more.
 *
 * Somebody calls {@link beat} about once a second; it renews what is held, so the holder of a process whose beats fail, or that
 * is paused, has lost it after {@link LEASE_SECONDS}.
 */
export class SharedLeases {
  private readonly held = new Map<string, HeldLease>();
  private readonly member: string;

  /**
   * @param group begins the name of all members and things in the table of leases
   * @param things how many there are; they are called 0, 1, …
   * @param holder tells this process from all others
   */
  constructor(
    private readonly leases: Leases,
    private readonly database: DataSource,
    private readonly group: string,
    private readonly things: number,
    private readonly holder: string,
  ) {
    this.member = `${this.memberPrefix}${holder}`;
  }

  /** What is held now, by its number. */
  get all(): ReadonlyMap<number, HeldLease> {
    return new Map([...this.held].map(([name, lease]) => [this.numberOf(name), lease]));
  }

  /**
   * Renews, notes what was lost, claims what is free, and tells what should be given up for others.
   * @returns numbers of things that this process holds beyond its share: to be released as soon as their work allows
   */
  async beat(): Promise<readonly number[]> {
    await this.database.query(APPEAR, [this.member, this.holder]);
    const kept = await this.leases.renew([...this.held.values()]);
    for (const name of [...this.held.keys()]) if (!kept.has(name)) this.held.delete(name);
    const share = await this.findShare();
    await this.claimUpTo(share);
    return [...this.all.keys()].sort((a, b) => a - b).slice(share);
  }

  /** It turned out that somebody else holds it. */
  lose(thing: number): void {
    this.held.delete(this.nameOf(thing));
  }

  async release(thing: number): Promise<void> {
    const lease = this.held.get(this.nameOf(thing));
    this.held.delete(this.nameOf(thing));
    if (lease !== undefined) await this.leases.release(lease);
  }

  /** Hands everything over at once. */
  async leave(): Promise<void> {
    await Promise.all([...this.all.keys()].map((thing) => this.release(thing)));
    await this.database.query(DEPART, [this.member]);
  }

  /** The things divided among all who are alive; those who come first by their names get one more when they do not divide. */
  private async findShare(): Promise<number> {
    await this.database.query(FORGET, [this.memberPrefix]);
    const members = (await this.database.query(LIVE, [this.memberPrefix])) as { name: string }[];
    const place = members.findIndex(({ name }) => name === this.member);
    if (place < 0) return 0;
    return Math.floor((this.things - place - 1) / members.length) + 1;
  }

  private async claimUpTo(share: number): Promise<void> {
    for (let thing = 0; thing < this.things && this.held.size < share; thing += 1) {
      const name = this.nameOf(thing);
      if (this.held.has(name)) continue;
      const lease = await this.leases.claim(name, this.holder, LEASE_SECONDS);
      if (lease !== undefined) this.held.set(name, lease);
    }
  }

  private get memberPrefix(): string {
    return `${this.group}/member/`;
  }

  private nameOf(thing: number): string {
    return `${this.group}/${thing}`;
  }

  private numberOf(name: string): number {
    return Number(name.slice(this.group.length + 1));
  }
}
