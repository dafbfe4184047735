import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';

import { FastifyAdapter } from '@nestjs/platform-fastify';
import type {
  FastifyReply,
  FastifyRequest,
  FastifyServerOptions,
  RawRequestDefaultExpression,
} from 'fastify';

import { ProblemDetailsFilter, toRequestProblem } from '../errors/problem-details.js';
import { Answer } from './answer.js';
import { readJsonBody } from './json-body.js';
import { isRawBodyKept } from './raw-body.js';

const REQUEST_TIMEOUT_MS = 30_000;
const FAREWELL_MS = 1_000;
const UNREADABLE: Readonly<Record<string, readonly [status: number, detail: string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'The URL and the headers are too long.'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'The request did not arrive in time.'],
};
const REQUEST_ID = /^[\x21-\x7e]{1,128}$/;

/** Fastify under Nest, knowing our conventions: request ids, problem details everywhere, and {@link Answer}. */
export class ServerAdapter extends FastifyAdapter {
  private tellUnroutable: (request: FastifyRequest, reply: FastifyReply) => void = () => undefined;

  constructor(problems: ProblemDetailsFilter) {
    const options: FastifyServerOptions = {
      requestTimeout: REQUEST_TIMEOUT_MS,
      genReqId: requestId,
      // A client may retry while the server stops; it is told to close, not turned away.
      return503OnClosing: false,
      routerOptions: { maxParamLength: 512 },
      frameworkErrors: (error, request, reply) => {
        this.tellUnroutable(request, reply);
        problems.send(error, request, reply);
      },
      clientErrorHandler: answerUnreadable,
    };
    super(options);
    this.getInstance().addHook('onRequest', (request, reply, done) => {
      void reply.header('x-request-id', request.id);
      done();
    });
  }

  /** Tells of each request whose URL cannot be read: it is refused before a route is looked for, and meets no hook. */
  whenUnroutable(tell: (request: FastifyRequest, reply: FastifyReply) => void): void {
    this.tellUnroutable = tell;
  }

  /** JSON and nothing else: Nest would also read forms, and Fastify plain text. */
  override registerParserMiddleware(
    ...[prefix, rawBody]: Parameters<FastifyAdapter['registerParserMiddleware']>
  ): void {
    super.registerParserMiddleware(prefix, rawBody);
    const fastify = this.getInstance();
    fastify.removeAllContentTypeParsers();
    fastify.addContentTypeParser('application/json', (request, payload, done) => {
      const keep = (bytes: Buffer) => Object.assign(request, { rawBody: bytes });
      if (isRawBodyKept(request.routeOptions.config)) readJsonBody(payload, done, keep);
      else readJsonBody(payload, done);
    });
  }

  /** An Answer is already JSON and brings its own status and headers. */
  override reply(...[response, body, statusCode]: Parameters<FastifyAdapter['reply']>): FastifyReply {
    if (!(body instanceof Answer) || !('status' in response)) return super.reply(response, body, statusCode);
    const type = body.status < 400 ? 'application/json; charset=utf-8' : 'application/problem+json';
    void response.status(body.status).header('content-type', type);
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

/** Answers on the bare socket what the parser could not read: there is no request that the filter could answer. */
function answerUnreadable({ code }: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable) return;
  const [status, detail] = UNREADABLE[code ?? ''] ?? [400, 'The request is not valid HTTP.'];
  const id = randomUUID();
  const body = JSON.stringify(toRequestProblem(status, detail, { url: '', id }));
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'content-type: application/problem+json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${id}`,
    'connection: close',
  ];
  // Ended, not destroyed: with input unread, a reset could overtake the answer. But nobody may keep us waiting.
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
  setTimeout(() => socket.destroy(), FAREWELL_MS).unref();
}
