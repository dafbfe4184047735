import { Inject } from '@nestjs/common';
import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import { DataSource } from 'typeorm';

import { CursorCodec, type Page, toPage } from '@daybook/platform';

import { type Report, REPORT_COLUMNS } from '../report.js';
import type { ListReportsRequest } from './list-reports.dto.js';

/** The reports, newest first, a page at a time. */
export class ListReports extends Query<Page<Report>> {
  constructor(readonly input: ListReportsRequest) {
    super();
  }
}

const READ = `
  SELECT ${REPORT_COLUMNS} FROM reports WHERE $1::bigint IS NULL OR id < $1::bigint ORDER BY id DESC LIMIT $2`;

@QueryHandler(ListReports)
export class ListReportsHandler implements IQueryHandler<ListReports> {
  constructor(
    @Inject(DataSource) private readonly database: DataSource,
    private readonly cursors: CursorCodec,
  ) {}

  async execute({ input: { limit = 50, cursor } }: ListReports): Promise<Page<Report>> {
    const list = { list: 'reports' };
    const before = cursor === undefined ? null : this.cursors.decode(list, cursor)[0];
    const rows = (await this.database.query(READ, [before, limit + 1])) as Report[];
    return toPage(rows, limit, (last) => this.cursors.encode(list, [last.id]));
  }
}
