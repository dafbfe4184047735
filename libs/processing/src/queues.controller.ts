import { Body, Controller, Get, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';

import {
  ApiConflicts,
  ApiErrors,
  ApiPage,
  Context,
  linkNextPage,
  NoBody,
  OptionalBody,
  type RequestContext,
  Roles,
} from '@daybook/platform';

import { DrainQueue } from './drain-queue/drain-queue.command.js';
import { DrainedQueueResponse, DrainQueueRequest } from './drain-queue/drain-queue.dto.js';
import { DeadOrderResponse, ListDeadOrdersRequest } from './list-dead-orders/dead-order.dto.js';
import { ListDeadOrders } from './list-dead-orders/list-dead-orders.query.js';
import { ListQueues } from './list-queues/list-queues.query.js';
import { PauseQueue } from './pause-queue/pause-queue.command.js';
import { ApiQueueName, QueueListResponse, QueueStateResponse } from './queue.dto.js';
import { RedriveOrders } from './redrive-orders/redrive-orders.command.js';
import { RedrivenOrdersResponse, RedriveOrdersRequest } from './redrive-orders/redrive-orders.dto.js';

@ApiTags('Administration')
@ApiBearerAuth()
@Roles('admin')
@Controller('admin/queues')
export class QueuesController {
  constructor(
    private readonly commands: CommandBus,
    private readonly queries: QueryBus,
  ) {}

  @Get()
  @ApiOperation({ summary: 'List the queues of orders, each with what lies in it' })
  @ApiOkResponse({ type: QueueListResponse, description: 'All of them, by name.' })
  @ApiErrors()
  async list() {
    return { data: await this.queries.execute(new ListQueues()) };
  }

  @Get(':name/dead')
  @ApiOperation({ summary: 'List the orders that left a queue because they failed, oldest first' })
  @ApiQueueName()
  @ApiPage(DeadOrderResponse)
  @ApiConflicts('queue_not_worked_off')
  @ApiErrors(404)
  async listDead(
    @Param('name') name: string,
    @Query() query: ListDeadOrdersRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    return linkNextPage(reply, await this.queries.execute(new ListDeadOrders(name, query)));
  }

  @Post(':name/pause')
  @HttpCode(200)
  @NoBody()
  @ApiOperation({ summary: 'Pause a queue: once this is answered no order is taken from it' })
  @ApiQueueName()
  @ApiOkResponse({ type: QueueStateResponse, description: 'It is paused, by this request or since before.' })
  @ApiConflicts('queue_not_worked_off')
  @ApiErrors(404, 413, 415)
  pause(@Param('name') name: string, @Context() context: RequestContext) {
    return this.commands.execute(new PauseQueue(name, true, context));
  }

  @Post(':name/resume')
  @HttpCode(200)
  @NoBody()
  @ApiOperation({ summary: 'Have a paused queue worked off again' })
  @ApiQueueName()
  @ApiOkResponse({ type: QueueStateResponse, description: 'It is worked off.' })
  @ApiConflicts('queue_not_worked_off')
  @ApiErrors(404, 413, 415)
  resume(@Param('name') name: string, @Context() context: RequestContext) {
    return this.commands.execute(new PauseQueue(name, false, context));
  }

  @Post(':name/drain')
  @HttpCode(200)
  @OptionalBody(DrainQueueRequest)
  @ApiOperation({ summary: 'Pause a queue and wait until what is under way has ended' })
  @ApiQueueName()
  @ApiOkResponse({ type: DrainedQueueResponse, description: 'It is paused, whether drained or not.' })
  @ApiConflicts('queue_not_worked_off')
  @ApiErrors(404, 413, 415)
  drain(@Param('name') name: string, @Body() body: DrainQueueRequest, @Context() context: RequestContext) {
    return this.commands.execute(new DrainQueue(name, body, context));
  }

  @Post(':name/redrive')
  @HttpCode(200)
  @OptionalBody(RedriveOrdersRequest)
  @ApiOperation({ summary: 'Start failed orders afresh, with stock allocated anew' })
  @ApiQueueName()
  @ApiOkResponse({ type: RedrivenOrdersResponse, description: 'What became of each order.' })
  @ApiConflicts('queue_not_worked_off')
  @ApiErrors(404, 413, 415)
  redrive(
    @Param('name') name: string,
    @Body() body: RedriveOrdersRequest,
    @Context() context: RequestContext,
  ) {
    return this.commands.execute(new RedriveOrders(name, body, context));
  }
}
