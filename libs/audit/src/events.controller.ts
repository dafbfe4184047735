import { Controller, Get, Query, Res } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';

import { ApiErrors, Life, type RequestLife, Roles } from '@daybook/platform';

import { ApiEventFeed, FollowEventsRequest } from './follow-events/follow-events.dto.js';
import { FollowEvents } from './follow-events/follow-events.query.js';
import { LastEventId } from './follow-events/last-event-id.js';
import { StreamEvents } from './follow-events/stream-events.query.js';

@ApiTags('Audit')
@ApiBearerAuth()
@Roles('operator')
@Controller('events')
export class EventsController {
  constructor(private readonly queries: QueryBus) {}

  @Get()
  @ApiOperation({
    summary: 'Follow all events, without gap or repetition',
    description:
      'Answers the next events behind `after`. With `Accept: text/event-stream` it goes on as Server-Sent Events.',
  })
  @ApiEventFeed()
  @ApiErrors(410)
  async follow(
    @Query() query: FollowEventsRequest,
    @LastEventId() lastEventId: string | undefined,
    @Life() life: RequestLife,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const after = lastEventId ?? query.after ?? '0';
    if (!asksForStream(reply)) return this.queries.execute(new FollowEvents({ ...query, after }, life.over));
    const stream = await this.queries.execute(new StreamEvents(after, life, reply.request.id));
    // nginx would keep back what it is sent until there is more of it.
    void reply.headers({
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    });
    return stream;
  }
}

/** Whoever would take JSON as well gets JSON. */
function asksForStream({ request }: FastifyReply): boolean {
  const types = (request.headers.accept ?? '').split(',').map((type) => type.split(';', 1)[0]?.trim());
  return types.includes('text/event-stream') && !types.includes('application/json');
}
