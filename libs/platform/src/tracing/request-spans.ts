import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

import { startSpan, type TraceHeaders, type TraceSpan } from './tracing.js';

// What asks whether Daybook is well comes every few seconds, and would bury what customers ask.
const OF_NO_INTEREST = /^\/(health\/|metrics$)/;

/**
 * A span for each request, in the trace that the caller says it belongs to. It is named and described by the semantic
 * conventions for HTTP, but for `url.query`, which may name customers.
 */
export function traceRequests(fastify: FastifyInstance): void {
  fastify.addHook('onRequest', (request, reply, done) => {
    if (OF_NO_INTEREST.test(request.routeOptions.url ?? '')) return done();
    const span = startRequestSpan(request);
    // After the last byte, or when the client has left before.
    reply.raw.once('close', () => endRequestSpan(span, reply));
    // Kept while the body arrives: Fastify goes on where it began to read it.
    span.run(done);
  });
}

function startRequestSpan(request: FastifyRequest): TraceSpan {
  const { method, headers, protocol, routeOptions } = request;
  const [path = ''] = request.url.split('?', 1);
  const userAgent = headers['user-agent'];
  return startSpan(routeOptions.url === undefined ? method : `${method} ${routeOptions.url}`, {
    kind: 'server',
    parent: callerOf(request),
    attributes: {
      'http.request.method': method,
      'url.scheme': protocol,
      'url.path': path,
      'network.protocol.version': request.raw.httpVersion,
      'http.response.header.x-request-id': [request.id],
      ...(routeOptions.url !== undefined && { 'http.route': routeOptions.url }),
      ...(userAgent !== undefined && { 'user_agent.original': userAgent }),
    },
  });
}

/** Only these two: whatever else a caller sends along is not passed on. */
function callerOf({ headers }: FastifyRequest): TraceHeaders | 'none' {
  const { traceparent, tracestate } = headers;
  if (typeof traceparent !== 'string') return 'none';
  return { traceparent, ...(typeof tracestate === 'string' && { tracestate }) };
}

function endRequestSpan(span: TraceSpan, reply: FastifyReply): void {
  const location = reply.getHeader('location');
  if (typeof location === 'string') span.describe({ 'http.response.header.location': [location] });
  const { statusCode, headersSent } = reply.raw;
  if (headersSent) span.describe({ 'http.response.status_code': statusCode });
  if (!headersSent) span.fail('client_left', 'The client left before it was answered');
  else if (statusCode >= 500) span.fail(String(statusCode), `Answered with ${statusCode}`);
  span.end();
}
