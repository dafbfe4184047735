import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';

import { BoundedReads, CursorCodec, type Page, toPage, ValidationFailed } from '@daybook/platform';

import type { JournalEntryResponse } from '../journal-entry.dto.js';
import { toJournalEntryResponse } from '../journal-row.js';
import { type AuditFilters, type AuditKey, type AuditRow, auditStatement } from './audit-statement.js';
import type { ListAuditRequest } from './list-audit.dto.js';

/**
 * The journal, newest first, a page at a time.
 * @throws {ValidationFailed} for a time range that ends before it begins, and for a cursor of another list
 * @throws {QueryTooBroad}
 */
export class ListAudit extends Query<Page<JournalEntryResponse>> {
  constructor(readonly input: ListAuditRequest) {
    super();
  }
}

@QueryHandler(ListAudit)
export class ListAuditHandler implements IQueryHandler<ListAudit> {
  constructor(
    private readonly reads: BoundedReads,
    private readonly cursors: CursorCodec,
  ) {}

  async execute({
    input: { limit = 50, cursor, ...filters },
  }: ListAudit): Promise<Page<JournalEntryResponse>> {
    const { from, to } = filters;
    if (from !== undefined && to !== undefined && to < from)
      throw new ValidationFailed([{ path: 'to', message: 'must not be before from' }]);
    const list = { list: 'audit', ...filters, from: from?.toISOString(), to: to?.toISOString() };
    // It is signed and bound to the list: what comes out is what was put in below.
    const after =
      cursor === undefined ? undefined : (this.cursors.decode(list, cursor) as unknown as AuditKey);
    const { text, values } = auditStatement(filters, after, limit + 1);
    const rows = await this.reads.query<AuditRow>('audit/list', text, values, narrowingOf(filters));
    const page = toPage(rows, limit, ({ time, position }) => this.cursors.encode(list, [time, position]));
    return { ...page, data: page.data.map(toJournalEntryResponse) };
  }
}

/** What is certain to help: a time range, and the entity, which it takes both parameters to name. */
function narrowingOf({ entityType, entityId }: AuditFilters): string[] {
  return [
    ...(entityType === undefined ? ['entityType'] : []),
    ...(entityId === undefined ? ['entityId'] : []),
    'from',
    'to',
  ];
}
