import { Inject } from '@nestjs/common';
import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import { DataSource } from 'typeorm';

import { CursorCodec, NotFound, type Page, toPage } from '@daybook/platform';

import type { JournalEntryResponse } from '../journal-entry.dto.js';
import { JOURNAL_COLUMNS, type JournalRow, toJournalEntryResponse } from '../journal-row.js';
import type { ListEntityEventsRequest } from './list-entity-events.dto.js';

/** The audit trail of one entity that has versions, oldest first, a page at a time. @throws {NotFound} */
export class ListEntityEvents extends Query<Page<JournalEntryResponse>> {
  constructor(
    readonly entityType: string,
    readonly entityId: string,
    readonly input: ListEntityEventsRequest,
  ) {
    super();
  }
}

const READ = `
  SELECT ${JOURNAL_COLUMNS}
  FROM journal WHERE entity_type = $1 AND entity_id = $2 AND version > $3 AND occurred_at >= $5
  ORDER BY version LIMIT $4`;

@QueryHandler(ListEntityEvents)
export class ListEntityEventsHandler implements IQueryHandler<ListEntityEvents> {
  constructor(
    @Inject(DataSource) private readonly database: DataSource,
    private readonly cursors: CursorCodec,
  ) {}

  async execute({ entityType, entityId, input }: ListEntityEvents): Promise<Page<JournalEntryResponse>> {
    const { limit = 50, cursor } = input;
    const list = { list: 'entity-events', entityType, entityId };
    const after = cursor === undefined ? 0 : this.cursors.decode(list, cursor)[0];
    const rows = (await this.database.query(READ, [
      entityType,
      entityId,
      after,
      limit + 1,
      earliest(entityId),
    ])) as JournalRow[];
    // Whatever exists was once placed or created, and that is in its journal: unless it is so old that both are detached.
    if (cursor === undefined && rows[0]?.version !== 1)
      throw new NotFound(`There is no ${entityType} ${entityId}.`);
    const entries = rows.map(toJournalEntryResponse);
    return toPage(entries, limit, (last) => this.cursors.encode(list, [last.version as number]));
  }
}

const NUMBER = /^[A-Z]?(\d{4})(\d\d)(\d\d)-\d+$/;

/**
 * Nothing happens to a numbered entity before its day, which in some time zones has begun the day before by UTC. Spares
 * a look into every month before that.
 */
function earliest(entityId: string): Date | '-infinity' {
  const [, year, month, day] = NUMBER.exec(entityId) ?? [];
  return day === undefined
    ? '-infinity'
    : new Date(Date.UTC(Number(year), Number(month) - 1, Number(day) - 1));
}
