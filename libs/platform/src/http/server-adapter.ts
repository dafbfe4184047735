import { randomUUID } from 'node:crypto';

import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyServerOptions, RawRequestDefaultExpression } from 'fastify';

import { ProblemDetailsFilter } from '../errors/problem-details.js';
import { Answer } from './answer.js';

// The largest legal request, 500 orders of 100 lines, is about 3.5 MB.
const BODY_LIMIT_BYTES = 4 * 1024 * 1024;
const REQUEST_TIMEOUT_MS = 30_000;
const REQUEST_ID = /^[\x21-\x7e]{1,128}$/;
const MALFORMED_REQUEST =
  'HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\nconnection: close\r\n\r\n' +
  '{"type":"urn:daybook:problem:validation_failed","title":"Validation failed","status":400,' +
  '"detail":"The request is not valid HTTP.","code":"validation_failed"}';

/** Fastify under Nest, knowing our conventions: request ids, problem details everywhere, and {@link Answer}. */
export class ServerAdapter extends FastifyAdapter {
  constructor(problems: ProblemDetailsFilter) {
    const options: FastifyServerOptions = {
      bodyLimit: BODY_LIMIT_BYTES,
      requestTimeout: REQUEST_TIMEOUT_MS,
      genReqId: requestId,
      // A client may retry while the server stops; it is told to close, not turned away.
      return503OnClosing: false,
      routerOptions: { maxParamLength: 512 },
      frameworkErrors: (error, request, reply) => problems.send(error, request, reply),
      clientErrorHandler: (_error, socket) => {
        if (socket.writable) socket.end(MALFORMED_REQUEST);
      },
    };
    super(options);
    this.getInstance().addHook('onRequest', (request, reply, done) => {
      void reply.header('x-request-id', request.id);
      done();
    });
  }

  /** An Answer is already JSON and brings its own status and headers. */
  override reply(...[response, body, statusCode]: Parameters<FastifyAdapter['reply']>): FastifyReply {
    if (!(body instanceof Answer) || !('status' in response)) return super.reply(response, body, statusCode);
    void response.status(body.status).header('content-type', 'application/json; charset=utf-8');
    if (body.location !== null) void response.header('location', body.location);
    if (body.etag !== null) void response.header('etag', body.etag);
    if (body.isReplay) void response.header('idempotent-replayed', 'true');
    return response.send(body.body);
  }
}

function requestId(request: RawRequestDefaultExpression): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
}
