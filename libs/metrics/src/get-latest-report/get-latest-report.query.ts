import { Inject } from '@nestjs/common';
import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import { DataSource } from 'typeorm';

import { NotFound } from '@daybook/platform';

import { type Report, REPORT_COLUMNS } from '../report.js';

/** The newest report. @throws {NotFound} before the first one */
export class GetLatestReport extends Query<Report> {}

@QueryHandler(GetLatestReport)
export class GetLatestReportHandler implements IQueryHandler<GetLatestReport> {
  constructor(@Inject(DataSource) private readonly database: DataSource) {}

  async execute(): Promise<Report> {
    const [report] = (await this.database.query(
      `SELECT ${REPORT_COLUMNS} FROM reports ORDER BY id DESC LIMIT 1`,
    )) as Report[];
    if (report === undefined) throw new NotFound('No report has been made yet.');
    return report;
  }
}
