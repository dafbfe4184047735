import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';

import { isPosition, ValidationFailed } from '@daybook/platform';

/** Injects the position that `Last-Event-ID` names, undefined without the header. */
export const LastEventId = createParamDecorator(
  (_: unknown, execution: ExecutionContext): string | undefined => {
    const header = execution.switchToHttp().getRequest<FastifyRequest>().headers['last-event-id'];
    if (header === undefined || isPosition(header)) return header;
    throw new ValidationFailed([
      { path: 'Last-Event-ID', message: 'must be the id of an event of this stream' },
    ]);
  },
);
