import { setTimeout as pause } from 'node:timers/promises';

import { Inject } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { DataSource } from 'typeorm';

import { Answer } from '../http/answer.js';
import type { RequestContext } from '../http/request-context.js';
import { JobScheduler } from './job-scheduler.js';
import { type JobRunRow, RUN_COLUMNS, toJobRunResponse } from './job.dto.js';
import { JobRunning } from './job.errors.js';

const PATIENCE_MS = 5_000;

/** Runs a job now. Answers with the run: 200 when it has ended, 202 when it goes on. @throws {NotFound} {@link JobRunning} */
export class RunJob extends Command<Answer> {
  constructor(
    readonly name: string,
    readonly context: RequestContext,
  ) {
    super();
  }
}

@CommandHandler(RunJob)
export class RunJobHandler implements ICommandHandler<RunJob> {
  constructor(
    private readonly scheduler: JobScheduler,
    @Inject(DataSource) private readonly database: DataSource,
  ) {}

  async execute({ name, context }: RunJob): Promise<Answer> {
    const started = await this.scheduler.runNow(name, context.actor);
    if (started === undefined) throw new JobRunning(name);
    await Promise.race([started.ended, pause(PATIENCE_MS, undefined, { ref: false })]);
    const [run] = (await this.database.query(`SELECT ${RUN_COLUMNS} FROM job_runs run WHERE id = $1`, [
      started.id,
    ])) as [JobRunRow];
    return new Answer(run.result === 'running' ? 202 : 200, JSON.stringify(toJobRunResponse(run)));
  }
}
