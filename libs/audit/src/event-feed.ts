import { setTimeout as pause } from 'node:timers/promises';

import { Injectable } from '@nestjs/common';

import { BoundedReads, DomainError, Readiness } from '@daybook/platform';

import { JOURNAL_DETACHED_TO } from './journal-beginning.js';
import type { JournalEntryResponse } from './journal-entry.dto.js';

/** The reader stopped at a position behind which entries have left with their months: to go on would skip them. */
export class EventsDetached extends DomainError {
  readonly code = 'events_detached';
  readonly status = 410;

  constructor(detachedTo: bigint) {
    super(
      `Events up to position ${detachedTo} were detached. Read them from the detached months, then go on behind that position.`,
      { detachedTo: String(detachedTo) },
    );
  }
}

/** The transactions that are open. Their ids are given in the order in which they begin to write. */
export interface OpenTransactions {
  /** Every one with a lower id has ended. */
  readonly oldest: bigint;
  /** The id that the next one will get. */
  readonly next: bigint;
}

const HEAD = `
  SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END AS head FROM journal_position_seq`;

// Not pg_snapshot_xmax: that lies behind the last transaction that has ended, and open ones may have higher ids.
const OPEN = `
  SELECT pg_snapshot_xmin(snapshot)::text AS oldest,
    pg_snapshot_xmin(snapshot)::text::bigint + age(pg_snapshot_xmin(snapshot)::xid) AS next,
    coalesce((SELECT value FROM settings WHERE name = '${JOURNAL_DETACHED_TO}'), '0') AS "detachedTo"
  FROM pg_current_snapshot() AS snapshot`;

const READ = `
  SELECT position, type, occurred_at AS "occurredAt", actor, request_id AS "requestId", entity_type AS "entityType",
    entity_id AS "entityId", version, data
  FROM journal WHERE position > $1 AND position <= $2 ORDER BY position LIMIT $3`;

type Row = Omit<JournalEntryResponse, 'occurredAt'> & { readonly occurredAt: Date };

/** For how long a read waits for transactions that may still fill a gap. */
const PATIENCE_MS = 2_000;
const FIRST_PAUSE_MS = 5;
const LONGEST_PAUSE_MS = 160;

/**
 * The journal in the order of its positions, for readers that go on behind the last one they got: no event is skipped,
 * though transactions commit in another order than that in which they take their positions (docs/adr/0014).
 */
@Injectable()
export class EventFeed {
  /** Whatever will ever be there up to this position is there. True for good, also after a crash of the database. */
  private settled = 0n;

  constructor(
    private readonly reads: BoundedReads,
    private readonly readiness: Readiness,
  ) {}

  /** The last position that was taken, by whomever, committed or not. */
  async head(): Promise<bigint> {
    const [row] = await this.run<{ head: string }>('event-feed/head', HEAD);
    return BigInt(row?.head ?? 0);
  }

  async openTransactions(): Promise<OpenTransactions & { readonly detachedTo: bigint }> {
    const [row] = await this.run<{ oldest: string; next: string; detachedTo: string }>(
      'event-feed/open',
      OPEN,
    );
    const { oldest, next, detachedTo } = row as NonNullable<typeof row>;
    return { oldest: BigInt(oldest), next: BigInt(next), detachedTo: BigInt(detachedTo) };
  }

  /**
   * The next events behind a position; 0 is where the journal begins. None when there are none, or when something may
   * still come before them and has neither come nor gone within `patienceMs`.
   * @throws {EventsDetached}
   */
  async read(after: bigint, limit: number, patienceMs = PATIENCE_MS): Promise<JournalEntryResponse[]> {
    const head = await this.head();
    if (head <= after) return [];
    const until = performance.now() + patienceMs;
    let horizon: { readonly upTo: bigint; readonly next: bigint } | undefined;
    let isSettled = false;
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      // Before the rows are read: what somebody else finds out meanwhile is true of rows that these may lack.
      const { settled } = this;
      const rows = await this.rows(after, horizon?.upTo ?? head, limit);
      // Every position is given once: where none is missing, nothing can come in between.
      if (isUnbroken(rows, after)) return rows.map(toEntry);
      const open = await this.openTransactions();
      if (after < open.detachedTo) {
        if (after > 0n) throw new EventsDetached(open.detachedTo);
        return this.read(open.detachedTo, limit, patienceMs);
      }
      horizon ??= { upTo: lastPosition(rows, after), next: open.next };
      if (isSettled && horizon.upTo > this.settled) this.settled = horizon.upTo;
      const known = isSettled ? rows : knownOf(rows, after, settled);
      if (known.length === rows.length) return rows.map(toEntry);
      // Whoever took a position before the last of these rows was taken had an id by then. When all those have ended,
      // one more look shows all there will ever be.
      isSettled = open.oldest >= horizon.next;
      if (isSettled) continue;
      if (known.length > 0 || performance.now() >= until || this.readiness.isStopping)
        return known.map(toEntry);
      await pause(pauseMs);
    }
  }

  private rows(after: bigint, upTo: bigint, limit: number): Promise<Row[]> {
    return this.run<Row>('event-feed/read', READ, after, upTo, limit);
  }

  /** Each statement sees what is committed when it begins, on whatever connection. */
  private run<R>(name: string, text: string, ...values: readonly (bigint | number)[]): Promise<R[]> {
    return this.reads.query<R>(name, text, values);
  }
}

/** The rows before which nothing can come any more. */
function knownOf(rows: readonly Row[], after: bigint, settled: bigint): readonly Row[] {
  let previous = after;
  const end = rows.findIndex((row) => {
    const position = BigInt(row.position);
    const isKnown = position <= (previous > settled ? previous : settled) + 1n;
    previous = position;
    return !isKnown;
  });
  return end === -1 ? rows : rows.slice(0, end);
}

function isUnbroken(rows: readonly Row[], after: bigint): boolean {
  return lastPosition(rows, after) - after === BigInt(rows.length);
}

function lastPosition(rows: readonly Row[], after: bigint): bigint {
  return BigInt(rows.at(-1)?.position ?? after);
}

function toEntry(row: Row): JournalEntryResponse {
  return { ...row, occurredAt: row.occurredAt.toISOString() };
}
