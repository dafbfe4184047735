import { ApiExtraModels, ApiParam, ApiProperty, getSchemaPath } from '@nestjs/swagger';

import { Choice, Whole } from '../http/fields.js';

export const RUN_RESULTS = ['running', 'succeeded', 'failed', 'abandoned'] as const;
export type RunResult = (typeof RUN_RESULTS)[number];

export const RUN_TRIGGERS = ['schedule', 'manual'] as const;
export type RunTrigger = (typeof RUN_TRIGGERS)[number];

const NAME_EXAMPLE = 'purge-idempotency-keys';

/** Documents the `name` in a route's path. */
export const ApiJobName = () => ApiParam({ name: 'name', schema: { type: 'string', example: NAME_EXAMPLE } });

export class JobRunResponse {
  @ApiProperty({ example: '42' })
  readonly id!: string;

  @Choice(RUN_TRIGGERS)
  readonly trigger!: RunTrigger;

  @ApiProperty({ type: String, nullable: true, example: null, description: 'Who asked for it by hand.' })
  readonly requestedBy!: string | null;

  @Choice(RUN_RESULTS, {
    description: '`abandoned`: its process stopped, ended or was held up. The job is then run again.',
    example: 'succeeded',
  })
  readonly result!: RunResult;

  @ApiProperty({ type: String, format: 'date-time', nullable: true, description: 'Null when run by hand.' })
  readonly scheduledFor!: string | null;

  @ApiProperty({ format: 'date-time' })
  readonly startedAt!: string;

  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'Null when nobody saw it end.',
  })
  readonly finishedAt!: string | null;

  @Whole(0, Number.MAX_SAFE_INTEGER, { example: 5000, description: 'Rows it has touched so far.' })
  readonly rows!: number;

  @ApiProperty({ type: String, nullable: true, example: null })
  readonly error!: string | null;
}

@ApiExtraModels(JobRunResponse)
export class JobResponse {
  @ApiProperty({ example: NAME_EXAMPLE })
  readonly name!: string;

  @ApiProperty({ example: 'Forgets idempotency keys that are older than 24 hours.' })
  readonly description!: string;

  @ApiProperty({
    example: '*/10 * * * *',
    description: 'A cron expression in the business time zone, or `every 60 seconds`.',
  })
  readonly schedule!: string;

  @Whole(1, 3600, {
    example: 60,
    description: 'After so long without a sign of it, a run counts as abandoned.',
  })
  readonly leaseSeconds!: number;

  @ApiProperty({ format: 'date-time' })
  readonly nextRunAt!: string;

  @ApiProperty({ example: false, description: 'It should have been run a minute ago, and nobody runs it.' })
  readonly overdue!: boolean;

  // A reference cannot be nullable: OpenAPI 3.0 has no shorter way to say "this, or null".
  @ApiProperty({
    oneOf: [{ $ref: getSchemaPath(JobRunResponse) }, { type: 'object', nullable: true, enum: [null] }],
  })
  readonly lastRun!: JobRunResponse | null;
}

export class JobListResponse {
  @ApiProperty({ type: [JobResponse] })
  readonly data!: readonly JobResponse[];
}

/** A row of `job_runs`, as {@link RUN_COLUMNS} read it. */
export interface JobRunRow {
  readonly id: string;
  readonly fence: string;
  readonly trigger: RunTrigger;
  readonly requestedBy: string | null;
  readonly result: RunResult;
  readonly scheduledFor: Date | null;
  readonly startedAt: Date;
  readonly finishedAt: Date | null;
  readonly rows: string;
  readonly error: string | null;
}

export const RUN_COLUMNS = `run.id, run.fence, run.trigger, run.requested_by AS "requestedBy", run.result,
  run.scheduled_for AS "scheduledFor", run.started_at AS "startedAt", run.finished_at AS "finishedAt", run.rows, run.error`;

export function toJobRunResponse(row: JobRunRow): JobRunResponse {
  return {
    id: row.id,
    trigger: row.trigger,
    requestedBy: row.requestedBy,
    result: row.result,
    scheduledFor: row.scheduledFor?.toISOString() ?? null,
    startedAt: row.startedAt.toISOString(),
    finishedAt: row.finishedAt?.toISOString() ?? null,
    rows: Number(row.rows),
    error: row.error,
  };
}
