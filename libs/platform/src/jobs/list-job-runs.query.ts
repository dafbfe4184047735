import { Inject } from '@nestjs/common';
import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import { DataSource } from 'typeorm';

import { NotFound } from '../errors/domain-error.js';
import { CursorCodec } from '../http/cursor.js';
import { CursorField, Limit } from '../http/fields.js';
import { type Page, toPage } from '../http/page.js';
import { DeclaredJobs } from './declared-jobs.js';
import { type JobRunRow, RUN_COLUMNS } from './job.dto.js';

export class ListJobRunsRequest {
  @Limit()
  readonly limit?: number;

  @CursorField()
  readonly cursor?: string;
}

/** The runs of a job, newest first, a page at a time. @throws {NotFound} */
export class ListJobRuns extends Query<Page<JobRunRow>> {
  constructor(
    readonly name: string,
    readonly input: ListJobRunsRequest,
  ) {
    super();
  }
}

const READ = `
  SELECT ${RUN_COLUMNS} FROM job_runs run WHERE run.job = $1 AND ($2::bigint IS NULL OR run.fence < $2::bigint)
  ORDER BY run.fence DESC LIMIT $3`;

@QueryHandler(ListJobRuns)
export class ListJobRunsHandler implements IQueryHandler<ListJobRuns> {
  constructor(
    private readonly jobs: DeclaredJobs,
    @Inject(DataSource) private readonly database: DataSource,
    private readonly cursors: CursorCodec,
  ) {}

  async execute({ name, input: { limit = 50, cursor } }: ListJobRuns): Promise<Page<JobRunRow>> {
    if (this.jobs.find(name) === undefined) throw new NotFound(`There is no job ${name}.`);
    const list = { list: 'job-runs', name };
    const before = cursor === undefined ? null : this.cursors.decode(list, cursor)[0];
    const rows = (await this.database.query(READ, [name, before, limit + 1])) as JobRunRow[];
    return toPage(rows, limit, (last) => this.cursors.encode(list, [last.fence]));
  }
}
