import { Inject, Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';

import { prepared } from '../database/transaction.js';

/** The right to do something until somebody claims it with a higher fence. */
export interface HeldLease {
  readonly name: string;
  readonly fence: string;
  readonly leaseSeconds: number;
}

/** Somebody else holds the lease by now. What would still have been written is rolled back. */
export class LeaseOvertaken extends Error {
  constructor({ name, fence }: HeldLease) {
    super(`The lease ${name}, held as number ${fence}, is in other hands`);
    this.name = 'LeaseOvertaken';
  }
}

// SKIP LOCKED in place of ON CONFLICT DO UPDATE: a holder that was paused inside a transaction that renews its lease has
// the row locked, and nobody waits for it.
const CLAIM = `
  WITH free AS MATERIALIZED (
    SELECT name FROM leases WHERE name = $1 AND (lease_until IS NULL OR lease_until <= business_now())
    FOR UPDATE SKIP LOCKED)
  UPDATE leases SET fence = leases.fence + 1, holder = $2, lease_until = business_now() + make_interval(secs => $3::int)
  FROM free WHERE leases.name = free.name RETURNING leases.fence`;

// ON CONFLICT alone would wait for a holder that is just renewing it.
const CLAIM_FIRST = `
  INSERT INTO leases (name, holder, lease_until)
  SELECT $1, $2, business_now() + make_interval(secs => $3::int) WHERE NOT EXISTS (SELECT FROM leases WHERE name = $1)
  ON CONFLICT (name) DO NOTHING RETURNING fence`;

const HOLD = `
  UPDATE leases SET lease_until = business_now() + make_interval(secs => $3::int)
  WHERE name = $1 AND fence = $2::bigint AND holder IS NOT NULL RETURNING name`;

const RENEW = `
  WITH mine AS MATERIALIZED (
    SELECT leases.name, held.seconds FROM leases
    JOIN unnest($1::text[], $2::bigint[], $3::int[]) AS held (name, fence, seconds) USING (name, fence)
    WHERE leases.holder IS NOT NULL ORDER BY leases.name FOR UPDATE OF leases)
  UPDATE leases SET lease_until = business_now() + make_interval(secs => mine.seconds) FROM mine
  WHERE leases.name = mine.name RETURNING leases.name`;

const RELEASE = `
  UPDATE leases SET holder = NULL, lease_until = NULL WHERE name = $1 AND fence = $2::bigint AND holder IS NOT NULL`;

/**
 * Leases by name, for what goes on as long as a process lives. What is done by the clock is a job instead. A lease runs out
 * when its holder is gone; what a holder writes that was only paused is refused (see {@link Leases.hold}).
 */
@Injectable()
export class Leases {
  constructor(@Inject(DataSource) private readonly database: DataSource) {}

  /** Undefined when somebody else holds it. @param holder for whoever looks into the table: which process that is */
  async claim(name: string, holder: string, leaseSeconds: number): Promise<HeldLease | undefined> {
    const values = [name, holder, leaseSeconds];
    const [claimed] = (await this.database.query(CLAIM, values)) as [{ fence: string }[]];
    const [row] =
      claimed.length > 0
        ? claimed
        : ((await this.database.query(CLAIM_FIRST, values)) as { fence: string }[]);
    return row && { name, fence: row.fence, leaseSeconds };
  }

  /**
   * Renews the lease inside a transaction, as one of its last statements: others who claim it have to wait from here on. A process
   * that was paused and does not know that it has been overtaken fails here, and its transaction with it.
   * @throws {LeaseOvertaken}
   */
  async hold(lease: HeldLease, manager: EntityManager): Promise<void> {
    const { name, fence, leaseSeconds } = lease;
    const held = await prepared(manager, 'leases/hold', HOLD, [name, fence, leaseSeconds]);
    if (held.length === 0) throw new LeaseOvertaken(lease);
  }

  /** Renews those that nobody else has claimed, by a statement of its own. @returns the names of those that are still held */
  async renew(leases: readonly HeldLease[]): Promise<ReadonlySet<string>> {
    if (leases.length === 0) return new Set();
    const [rows] = (await this.database.query(RENEW, [
      leases.map(({ name }) => name),
      leases.map(({ fence }) => fence),
      leases.map(({ leaseSeconds }) => leaseSeconds),
    ])) as [{ name: string }[]];
    return new Set(rows.map(({ name }) => name));
  }

  /** Lets others claim it at once. Without effect when somebody else holds it by now. */
  async release({ name, fence }: HeldLease): Promise<void> {
    await this.database.query(RELEASE, [name, fence]);
  }
}
