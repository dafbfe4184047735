import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

import { Injectable, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { Gauge, Histogram, Registry } from 'prom-client';

import type { ServerAdapter } from '@daybook/platform';

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** What Daybook's routes know. Node's parser lets some thirty more through, each of which a client could make a series of. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
const NO_ROUTE = 'unknown';
/** No status was sent, for nobody was there to take it. This number is what nginx made usual. */
const CLIENT_GONE = 499;

/** A request that has not been answered yet. */
interface Exchange {
  readonly method: string;
  /** The pattern of the route, never what the client made of it. */
  readonly route: string;
  readonly startedAt: number;
}

/**
 * Counts and times every request that is read as HTTP, from its headers to the last byte of its answer. That costs a
 * request less than a microsecond, so the series are not kept at hand.
 */
@Injectable()
export class HttpMetrics implements OnModuleInit {
  private readonly openOf = new WeakMap<Socket, Set<Exchange>>();
  private readonly durations: Histogram;
  private inFlight = 0;

  constructor(
    private readonly host: HttpAdapterHost<ServerAdapter>,
    registry: Registry,
  ) {
    this.durations = new Histogram({
      name: 'daybook_http_request_duration_seconds',
      help: 'How long requests took, by method, pattern of the route and status; 499: the client left before its answer.',
      labelNames: ['method', 'route', 'status'],
      buckets: SECONDS,
      registers: [registry],
    });
    const current = () => this.inFlight;
    new Gauge({
      name: 'daybook_http_requests_in_flight',
      help: 'How many requests are being answered now, the one that asks for this included.',
      registers: [registry],
      collect() {
        this.set(current());
      },
    });
  }

  onModuleInit(): void {
    // The doctor opens the modules without a server.
    const { httpAdapter } = this.host as { httpAdapter: ServerAdapter | null };
    if (httpAdapter === null) return;
    httpAdapter.getInstance().addHook('onRequest', (request, reply, done) => {
      this.begin(request.raw, reply.raw, request.routeOptions.url ?? NO_ROUTE);
      done();
    });
    httpAdapter.whenUnroutable(({ raw }, reply) => this.begin(raw, reply.raw, NO_ROUTE));
  }

  private begin({ method = '', socket }: IncomingMessage, response: ServerResponse, route: string): void {
    // It has said that it closed; nothing more will come of it.
    if (socket.destroyed) return;
    const exchange = { method: METHODS.has(method) ? method : 'other', route, startedAt: performance.now() };
    const open = this.openOn(socket);
    open.add(exchange);
    this.inFlight += 1;
    response.once('finish', () => {
      if (open.delete(exchange)) this.end(exchange, response.statusCode);
    });
  }

  /**
   * The open requests of a connection. A response does not always hear that its connection is gone: one of several that
   * a client has pipelined waits for its turn, which never comes. So it is the connection that is listened to, once.
   */
  private openOn(socket: Socket): Set<Exchange> {
    const known = this.openOf.get(socket);
    if (known !== undefined) return known;
    const open = new Set<Exchange>();
    this.openOf.set(socket, open);
    socket.once('close', () => {
      for (const exchange of open) this.end(exchange, CLIENT_GONE);
      open.clear();
    });
    return open;
  }

  private end({ method, route, startedAt }: Exchange, status: number): void {
    this.inFlight -= 1;
    this.durations.observe({ method, route, status }, (performance.now() - startedAt) / 1000);
  }
}
