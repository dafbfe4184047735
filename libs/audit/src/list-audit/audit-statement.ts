import { StatementValues } from '@daybook/platform';

import { JOURNAL_COLUMNS, type JournalRow } from '../journal-row.js';

/** Which rows to list; what is absent does not matter. */
export interface AuditFilters {
  readonly entityType?: string | undefined;
  readonly entityId?: string | undefined;
  readonly actor?: string | undefined;
  readonly type?: string | undefined;
  /** From this moment on. */
  readonly from?: Date | undefined;
  /** Before this moment. */
  readonly to?: Date | undefined;
}

/** Where a row stands in the list: its time, to the microsecond, and its position. */
export type AuditKey = readonly [time: string, position: string];

export interface AuditRow extends JournalRow {
  readonly time: string;
}

/**
 * The statement that reads `limit` rows, newest first, behind `after`. It has conditions for nothing but the filters that
 * are there, so that the planner sees which index fits. The order begins with the time, as the months do: they are read
 * one after the other, and only as many as it takes.
 */
export function auditStatement(
  { entityType, entityId, actor, type, from, to }: AuditFilters,
  after: AuditKey | undefined,
  limit: number,
): { readonly text: string; readonly values: readonly unknown[] } {
  const values = new StatementValues();
  const conditions = values.compare([
    ['entity_type =', entityType],
    ['entity_id =', entityId],
    ['actor =', actor],
    ['type =', type],
    ['occurred_at >=', from],
    ['occurred_at <', to],
  ]);
  if (after !== undefined) {
    const time = `${values.bind(after[0])}::timestamptz`;
    // The first follows from the second, but by the first alone the planner leaves out the months behind.
    conditions.push(
      `occurred_at <= ${time}`,
      `(occurred_at, position) < (${time}, ${values.bind(after[1])}::bigint)`,
    );
  }
  const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
  const text = `
    SELECT ${JOURNAL_COLUMNS}, occurred_at::text AS time FROM journal ${where}
    ORDER BY occurred_at DESC, position DESC LIMIT ${values.bind(limit)}`;
  return { text, values: values.bound };
}
