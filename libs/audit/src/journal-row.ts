import type { JournalEntryResponse } from './journal-entry.dto.js';

/** A row of the journal as {@link JOURNAL_COLUMNS} reads it. */
export interface JournalRow extends Omit<JournalEntryResponse, 'occurredAt'> {
  readonly occurredAt: Date;
}

export const JOURNAL_COLUMNS = `
  position, type, occurred_at AS "occurredAt", actor, request_id AS "requestId", entity_type AS "entityType",
  entity_id AS "entityId", version, data`;

export function toJournalEntryResponse(row: JournalRow): JournalEntryResponse {
  const { position, type, occurredAt, actor, requestId, entityType, entityId, version, data } = row;
  const at = occurredAt.toISOString();
  return { position, type, occurredAt: at, actor, requestId, entityType, entityId, version, data };
}
