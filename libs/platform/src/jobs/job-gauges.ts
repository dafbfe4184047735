import { Inject, Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';

import { DatabaseGauges, type GaugeReading, type ReadsGauges } from '../gauges/database-gauges.js';
import { DeclaredJobs } from './declared-jobs.js';
import { IS_OVERDUE } from './list-jobs.query.js';

const OVERDUE = {
  name: 'daybook_job_overdue',
  help: '1 when a job should have been run a minute ago and nobody runs it, else 0.',
  labels: ['job'],
};
const LAST_SUCCESS = {
  name: 'daybook_job_last_success_timestamp_seconds',
  help: 'When a job last succeeded.',
  labels: ['job'],
};
const LAST_DURATION = {
  name: 'daybook_job_last_duration_seconds',
  help: 'How long the last run of a job took that succeeded.',
  labels: ['job'],
};
const RUNS = {
  name: 'daybook_job_runs',
  help: 'How many runs of a job have ended so far, by how they ended; it only grows.',
  labels: ['job', 'result'],
};

interface JobFigures {
  readonly name: string;
  readonly overdue: boolean;
  readonly succeeded: string;
  readonly failed: string;
  readonly abandoned: string;
  readonly lastSuccessAt: Date | null;
  readonly lastSeconds: number | null;
}

const READ = `
  SELECT job.name, ${IS_OVERDUE} AS overdue, job.succeeded, job.failed, job.abandoned,
    success.finished_at AS "lastSuccessAt",
    extract(epoch FROM success.finished_at - success.started_at)::float8 AS "lastSeconds"
  FROM jobs job LEFT JOIN LATERAL (
    SELECT started_at, finished_at FROM job_runs run WHERE run.job = job.name AND run.result = 'succeeded'
    ORDER BY run.fence DESC LIMIT 1) success ON true
  WHERE job.name = ANY($1)`;

@Injectable()
@DatabaseGauges(OVERDUE, LAST_SUCCESS, LAST_DURATION, RUNS)
export class JobGauges implements ReadsGauges {
  constructor(
    private readonly jobs: DeclaredJobs,
    @Inject(DataSource) private readonly database: DataSource,
  ) {}

  async read(): Promise<readonly GaugeReading[]> {
    const rows = (await this.database.query(READ, [this.jobs.names])) as JobFigures[];
    return rows.flatMap(({ name: job, ...figures }) => [
      { gauge: OVERDUE, labels: { job }, value: figures.overdue ? 1 : 0 },
      ...(['succeeded', 'failed', 'abandoned'] as const).map((result) => ({
        gauge: RUNS,
        labels: { job, result },
        value: Number(figures[result]),
      })),
      ...(figures.lastSuccessAt === null
        ? []
        : [
            { gauge: LAST_SUCCESS, labels: { job }, value: figures.lastSuccessAt.getTime() / 1000 },
            { gauge: LAST_DURATION, labels: { job }, value: Number(figures.lastSeconds) },
          ]),
    ]);
  }
}
