import { Controller, Get, Param, Query, Res } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import { ApiBearerAuth, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';

import { ApiErrors, ApiPage, ApiTooBroad, linkNextPage, Roles } from '@daybook/platform';

import { JournalEntryResponse } from './journal-entry.dto.js';
import { ListAuditRequest } from './list-audit/list-audit.dto.js';
import { ListAudit } from './list-audit/list-audit.query.js';
import { ListEntityEventsRequest } from './list-entity-events/list-entity-events.dto.js';
import { ListEntityEvents } from './list-entity-events/list-entity-events.query.js';

@ApiTags('Audit')
@ApiBearerAuth()
@Roles('operator')
@Controller()
export class AuditController {
  constructor(private readonly queries: QueryBus) {}

  @Get('audit')
  @ApiOperation({ summary: 'List everything that happened, newest first' })
  @ApiPage(JournalEntryResponse)
  @ApiErrors()
  @ApiTooBroad()
  async list(@Query() query: ListAuditRequest, @Res({ passthrough: true }) reply: FastifyReply) {
    return linkNextPage(reply, await this.queries.execute(new ListAudit(query)));
  }

  @Get('orders/:id/audit')
  @ApiOperation({ summary: 'Read everything that happened to an order, oldest first' })
  @ApiParam({ name: 'id', schema: { type: 'string', example: '20261120-00001' } })
  @ApiPage(JournalEntryResponse)
  @ApiErrors(404)
  async ofOrder(
    @Param('id') id: string,
    @Query() query: ListEntityEventsRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    return linkNextPage(reply, await this.queries.execute(new ListEntityEvents('order', id, query)));
  }
}
