import type { Socket } from 'node:net';

import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyReply } from 'fastify';

import type { AuthenticatedRequest } from './request-context.js';

/** Until when it makes sense to work for a request. */
export interface RequestLife {
  /** Aborted when the request was answered, or its client is gone. */
  readonly over: AbortSignal;
  /** When the caller's token expires, in milliseconds since 1970; Infinity if it never does. */
  readonly tokenExpiresAt: number;
}

const openOf = new WeakMap<Socket, Set<AbortController>>();

/** Injects the {@link RequestLife} of a request that may take long. */
export const Life = createParamDecorator((_: unknown, execution: ExecutionContext): RequestLife => {
  const http = execution.switchToHttp();
  const { raw, caller } = http.getRequest<AuthenticatedRequest>();
  const over = new AbortController();
  if (raw.socket.destroyed) over.abort();
  else {
    const open = openOn(raw.socket).add(over);
    http.getResponse<FastifyReply>().raw.once('finish', () => {
      open.delete(over);
      over.abort();
    });
  }
  return { over: over.signal, tokenExpiresAt: caller?.expiresAt ?? Infinity };
});

/**
 * A response does not always hear that its connection is gone: one of several that a client has pipelined waits for its
 * turn, which never comes. So it is the connection that is listened to, once.
 */
function openOn(socket: Socket): Set<AbortController> {
  const known = openOf.get(socket);
  if (known !== undefined) return known;
  const open = new Set<AbortController>();
  openOf.set(socket, open);
  socket.once('close', () => {
    for (const over of open) over.abort();
  });
  return open;
}
