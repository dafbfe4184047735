import { Inject } from '@nestjs/common';
import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import { DataSource } from 'typeorm';

import { DeclaredJobs } from './declared-jobs.js';
import { type JobResponse, type JobRunRow, RUN_COLUMNS, toJobRunResponse } from './job.dto.js';

/** All jobs by name, each with its last run. */
export class ListJobs extends Query<JobResponse[]> {}

interface JobRow extends JobRunRow {
  readonly name: string;
  readonly nextRunAt: Date;
  readonly overdue: boolean;
}

/** SQL: a minute ago the job was due, by its tick or because its last run was abandoned, and nobody has taken it up. */
export const IS_OVERDUE = `coalesce(job.lease_until, job.next_run_at) < business_now() - interval '60 seconds'`;

const READ = `
  SELECT job.name, job.next_run_at AS "nextRunAt", ${IS_OVERDUE} AS overdue, ${RUN_COLUMNS}
  FROM jobs job LEFT JOIN job_runs run ON run.job = job.name AND run.fence = job.fence
  WHERE job.name = ANY($1)`;

@QueryHandler(ListJobs)
export class ListJobsHandler implements IQueryHandler<ListJobs> {
  constructor(
    private readonly jobs: DeclaredJobs,
    @Inject(DataSource) private readonly database: DataSource,
  ) {}

  async execute(): Promise<JobResponse[]> {
    const rows = (await this.database.query(READ, [this.jobs.names])) as JobRow[];
    const byName = new Map(rows.map((row) => [row.name, row]));
    return this.jobs.all.flatMap(({ name, description, schedule, leaseSeconds }) => {
      const row = byName.get(name);
      if (row === undefined) return [];
      const { nextRunAt, overdue } = row;
      const lastRun = row.id === null ? null : toJobRunResponse(row);
      return [
        {
          name,
          description,
          schedule: schedule.text,
          leaseSeconds,
          nextRunAt: nextRunAt.toISOString(),
          overdue,
          lastRun,
        },
      ];
    });
  }
}
