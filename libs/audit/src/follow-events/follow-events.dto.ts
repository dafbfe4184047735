import { ApiExtraModels, ApiHeader, ApiOkResponse, getSchemaPath } from '@nestjs/swagger';
import { applyDecorators } from '@nestjs/common';

import { Limit, Position, WholeText } from '@daybook/platform';

import { JournalEntryResponse } from '../journal-entry.dto.js';

export class FollowEventsRequest {
  @Position({
    optional: true,
    default: '0',
    description:
      'The position of the last event you have: `nextAfter` of the answer before. 0: from the beginning.',
  })
  readonly after?: string;

  @Limit()
  readonly limit?: number;

  @WholeText(0, 30, {
    optional: true,
    default: 0,
    description: 'How long to wait for an event when there is none yet. A stream waits for ever.',
  })
  readonly waitSeconds?: number;
}

const STREAM = `retry: 1000

id: 42
event: order.status_changed
data: {"position":"42","type":"order.status_changed",…}

`;

/** Documents both forms of the feed. */
export const ApiEventFeed = () =>
  applyDecorators(
    ApiExtraModels(JournalEntryResponse),
    ApiHeader({
      name: 'Last-Event-ID',
      required: false,
      description: 'In place of `after`: what a browser sends when it takes up a stream again.',
      schema: { type: 'string', pattern: '^[0-9]{1,19}$' },
    }),
    ApiOkResponse({
      description: 'The next events, in order. As `text/event-stream`: these and all that follow.',
      content: {
        'application/json': {
          schema: {
            type: 'object',
            required: ['data', 'nextAfter'],
            properties: {
              data: { type: 'array', items: { $ref: getSchemaPath(JournalEntryResponse) } },
              nextAfter: {
                type: 'string',

                description: 'Where to go on: the position of the last event, or `after` when there is none.',
              },
            },
          },
        },
        'text/event-stream': { schema: { type: 'string' }, example: STREAM },
      },
    }),
  );
