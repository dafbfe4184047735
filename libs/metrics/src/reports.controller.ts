import { Controller, Get, Query, Res } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';

import { ApiErrors, ApiPage, linkNextPage, Roles } from '@daybook/platform';

import { GetLatestReport } from './get-latest-report/get-latest-report.query.js';
import { ListReportsRequest } from './list-reports/list-reports.dto.js';
import { ListReports } from './list-reports/list-reports.query.js';
import { ReportResponse, toReportResponse } from './report.dto.js';

@ApiTags('Operations')
@ApiBearerAuth()
@Roles('operator')
@Controller('reports')
export class ReportsController {
  constructor(private readonly queries: QueryBus) {}

  @Get()
  @ApiOperation({ summary: 'List the periodic reports, newest first' })
  @ApiPage(ReportResponse)
  @ApiErrors()
  async list(@Query() query: ListReportsRequest, @Res({ passthrough: true }) reply: FastifyReply) {
    const page = linkNextPage(reply, await this.queries.execute(new ListReports(query)));
    return { ...page, data: page.data.map(toReportResponse) };
  }

  @Get('latest')
  @ApiOperation({ summary: 'Read the newest periodic report' })
  @ApiOkResponse({ type: ReportResponse, description: 'Of the interval that ended last.' })
  @ApiErrors(404)
  async latest() {
    return toReportResponse(await this.queries.execute(new GetLatestReport()));
  }
}
