import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';

import { changedBehaviour, InvalidInput } from './behaviour.js';
import { Counts } from './counts.js';
import { ExecutionStream } from './execution-stream.js';
import { Flood, readFloodRequest } from './flood.js';
import { OrderRoutes } from './order-routes.js';
import { ReportLog } from './report-log.js';
import { readBody, type Reply, send, wholeNumber } from './requests.js';
import type { Settings } from './settings.js';
import { RealTiming } from './timing.js';
import { Venue } from './venue.js';
import { HistoryFile } from './venue-history.js';
import { describeOrder, isOpen, type VenueOrder } from './venue-order.js';

const MOST_ORDERS_PER_PAGE = 1_000;

/** A venue on a port of this machine. */
export class Simulator {
  private readonly timing = new RealTiming();
  private readonly counts = new Counts();
  private readonly log: ReportLog;
  private readonly stream: ExecutionStream;
  private readonly venue: Venue;
  private readonly orders: OrderRoutes;
  private readonly server: Server;
  private readonly history: HistoryFile | undefined;
  private flood: Flood | undefined;

  private constructor(private readonly settings: Settings) {
    const { seed, behaviour, keepReports, stateFile } = settings;
    this.history = stateFile === undefined ? undefined : new HistoryFile(stateFile);
    this.log = new ReportLog(`S${seed}-`, keepReports);
    this.stream = new ExecutionStream(this.log, seed, () => this.venue.behaviour);
    this.venue = new Venue({
      behaviour,
      seed,
      log: this.log,
      timing: this.timing,
      onReport: () => this.stream.wake(),
      history: this.history,
    });
    this.orders = new OrderRoutes(this.venue, this.counts, seed, this.timing);
    this.server = createServer((request, response) => void this.receive(request, response));
    this.server.on('upgrade', (request, socket, head) => this.openStream(request, socket, head));
  }

  static async start(settings: Settings): Promise<Simulator> {
    const simulator = new Simulator(settings);
    simulator.server.listen(settings.port, settings.host);
    await once(simulator.server, 'listening');
    return simulator;
  }

  get url(): string {
    const { address, port, family } = this.server.address() as AddressInfo;
    return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
  }

  async stop(): Promise<void> {
    this.flood?.stop();
    this.timing.stop();
    this.stream.cut();
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
    this.history?.close();
  }

  private async receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const refusal = this.refusalOf(request);
      const reply = refusal ?? (await this.answer(request, response));
      if (reply !== undefined) send(response, reply);
    } catch (error) {
      // One that breaks off before its end is nobody's any more.
      if (request.destroyed && !request.complete) return;
      if (!(error instanceof InvalidInput)) throw error;
      send(response, { status: 400, body: { error: error.message } });
    }
  }

  /** @returns nothing when the answer comes by itself, or never */
  private async answer(request: IncomingMessage, response: ServerResponse): Promise<Reply | undefined> {
    const url = urlOf(request);
    const route = `${request.method} ${url.pathname}`;
    // None of the signs a ClOrdID may have needs to be escaped in a path, but some may be.
    const clOrdId = /^(?:GET|DELETE) \/orders\/([^/]+)$/
      .exec(route)?.[1]
      ?.replace(/%(40|3A)/gi, decodeURIComponent);
    if (clOrdId !== undefined) {
      if (request.method === 'GET') this.orders.find(clOrdId, response);
      else this.orders.cancel(clOrdId, response);
      return undefined;
    }
    switch (route) {
      case 'POST /orders':
        this.orders.place(await readBody(request), response);
        return undefined;
      case 'GET /orders':
        return this.listOrders(wholeNumber(url, 'after', 0), wholeNumber(url, 'limit', MOST_ORDERS_PER_PAGE));
      case 'GET /simulator/behaviour':
        return { status: 200, body: this.venue.behaviour };
      case 'PUT /simulator/behaviour':
        this.venue.behaviour = changedBehaviour(this.venue.behaviour, await readBody(request));
        return { status: 200, body: this.venue.behaviour };
      case 'GET /simulator/counts':
        return { status: 200, body: this.describe() };
      case 'POST /simulator/cut':
        this.stream.cut();
        return { status: 202, body: {} };
      case 'POST /simulator/flood':
        return this.startFlood(await readBody(request));
      case 'GET /simulator/flood':
        return { status: 200, body: this.flood?.progress ?? {} };
      case 'DELETE /simulator/flood':
        this.flood?.stop();
        return { status: 200, body: this.flood?.progress ?? {} };
      default:
        return { status: 404, body: { error: `There is no ${route}` } };
    }
  }

  /** Whoever runs a browser on this machine may visit any page; no page has business here. */
  private refusalOf({ headers, url }: IncomingMessage): Reply | undefined {
    if (headers.origin !== undefined) return { status: 403, body: { error: 'Not for web pages' } };
    const { token } = this.settings;
    if (token === undefined || url?.startsWith('/simulator/')) return undefined;
    if (headers.authorization === `Bearer ${token}`) return undefined;
    const error = 'The bearer token is missing, or another one';
    return { status: 401, body: { code: 'not_taken', error } };
  }

  private openStream(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // It may go before it is answered.
    socket.on('error', () => socket.destroy());
    const refuse = (status: number, error: string) =>
      socket.end(
        `HTTP/1.1 ${status} Refused\r\nconnection: close\r\ncontent-length: ${error.length}\r\n\r\n${error}`,
      );
    const url = urlOf(request);
    const refusal = this.refusalOf(request);
    if (refusal !== undefined) return void refuse(refusal.status, 'Refused');
    if (url.pathname !== '/executions') return void refuse(404, 'The stream is /executions');
    const after = url.searchParams.get('after') ?? '0';
    if (!/^\d{1,15}$/.test(after)) return void refuse(400, 'after must be a whole number');
    const unavailable = this.stream.refusal(Number(after));
    if (unavailable !== undefined) return void refuse(unavailable.status, unavailable.error);
    this.stream.open(request, socket, head, Number(after));
  }

  private listOrders(after: number, limit: number): Reply {
    const most = Math.min(limit, MOST_ORDERS_PER_PAGE);
    const orders = this.venue
      .all()
      .slice(after, after + most)
      .map(describeOrder);
    return { status: 200, body: { orders, ...(orders.length === most && { next: after + most }) } };
  }

  private startFlood(body: Readonly<Record<string, unknown>>): Reply {
    if (this.history !== undefined)
      return { status: 409, body: { error: 'No flood into a state file: start a simulator without one' } };
    if (this.flood?.progress.state === 'running')
      return { status: 409, body: { error: 'A flood is running; DELETE /simulator/flood stops it' } };
    const { orders: wanted, ...flood } = readFloodRequest(body);
    const orders = wanted.map((order) => this.venue.adopt(order));
    const traded = wanted.find((_, index) => orders[index] === undefined);
    if (traded !== undefined)
      return { status: 409, body: { error: `${traded.clOrdId} has been traded, or has another quantity` } };
    this.flood = new Flood(flood, orders as VenueOrder[], this.venue, this.timing, this.settings.seed);
    return { status: 202, body: this.flood.progress };
  }

  private describe(): object {
    return {
      ...this.counts.describe(),
      open: this.venue.all().filter(isOpen).length,
      reports: this.log.last,
      readers: this.stream.readerCount,
      connections: this.stream.connectionCount,
      pid: process.pid,
    };
  }
}

const NOWHERE = new URL('http://venue');
const urlOf = (request: IncomingMessage) => URL.parse(request.url ?? '', NOWHERE) ?? NOWHERE;
