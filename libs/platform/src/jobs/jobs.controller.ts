import { Controller, Get, Param, Post, Query, Res } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { ApiAcceptedResponse, ApiBearerAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';

import { Roles } from '../auth/auth.guard.js';
import { ApiConflicts, ApiErrors, ApiPage } from '../http/api-docs.js';
import { NoBody } from '../http/no-body.js';
import { linkNextPage } from '../http/page.js';
import { Context, type RequestContext } from '../http/request-context.js';
import { ApiJobName, JobListResponse, JobRunResponse, toJobRunResponse } from './job.dto.js';
import { ListJobRuns, ListJobRunsRequest } from './list-job-runs.query.js';
import { ListJobs } from './list-jobs.query.js';
import { RunJob } from './run-job.command.js';

@ApiTags('Administration')
@ApiBearerAuth()
@Roles('admin')
@Controller('admin/jobs')
export class JobsController {
  constructor(
    private readonly commands: CommandBus,
    private readonly queries: QueryBus,
  ) {}

  @Get()
  @ApiOperation({ summary: 'List the jobs that run by the clock, each with its last run' })
  @ApiOkResponse({ type: JobListResponse, description: 'All of them, by name.' })
  @ApiErrors()
  async list() {
    return { data: await this.queries.execute(new ListJobs()) };
  }

  @Get(':name/runs')
  @ApiOperation({ summary: 'List the runs of a job, newest first' })
  @ApiJobName()
  @ApiPage(JobRunResponse)
  @ApiErrors(404)
  async listRuns(
    @Param('name') name: string,
    @Query() query: ListJobRunsRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const page = linkNextPage(reply, await this.queries.execute(new ListJobRuns(name, query)));
    return { ...page, data: page.data.map(toJobRunResponse) };
  }

  @Post(':name/run')
  @NoBody()
  @ApiOperation({ summary: 'Run a job now, whatever its schedule says' })
  @ApiJobName()
  @ApiOkResponse({ type: JobRunResponse, description: 'The run, which has ended.' })
  @ApiAcceptedResponse({ type: JobRunResponse, description: 'The run, which goes on.' })
  @ApiConflicts('job_running')
  @ApiErrors(404, 413, 415)
  run(@Param('name') name: string, @Context() context: RequestContext) {
    return this.commands.execute(new RunJob(name, context));
  }
}
