import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** An order as it arrived. */
export interface ReceivedOrder {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The text, parsed. */
  readonly body: {
    readonly id: string;
    readonly attempt: number;
    readonly callback: { readonly path: string; readonly version: number; readonly timeoutSeconds: number };
    readonly [field: string]: unknown;
  };
}

type Answer = (response: ServerResponse, received: ReceivedOrder) => void;

/** A status, with a body if there is one: an object goes as JSON. */
export const answer =
  (status: number, body?: object | string, headers: Readonly<Record<string, string>> = {}): Answer =>
  (response) => {
    response.writeHead(status, { 'content-type': 'application/problem+json', ...headers });
    response.end(typeof body === 'object' ? JSON.stringify(body) : body);
  };

/** Says nothing, for as long as the caller waits. */
export const silence: Answer = () => undefined;

/** A fulfilment service on a port of its own that answers as a test wants it to. */
export class FulfilmentService {
  readonly received: ReceivedOrder[] = [];
  /** The orders that were fulfilled, by the idempotency keys they came with. */
  readonly fulfilled = new Map<string, string>();
  /** Connections that are open. */
  readonly connections = new Set<Socket>();
  /** Connections that there ever were. */
  opened = 0;
  /** Confirms, unless a test wants something else. */
  answer: Answer = (response, received) => this.fulfil(response, received);
  private readonly server = createServer((request, response) => this.receive(request, response));

  private constructor() {
    this.server.on('connection', (socket) => {
      this.connections.add(socket);
      this.opened += 1;
      socket.on('close', () => this.connections.delete(socket));
    });
  }

  static async start(): Promise<FulfilmentService> {
    const service = new FulfilmentService();
    service.server.listen(0, '127.0.0.1');
    await once(service.server, 'listening');
    return service;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/orders?shop=7`;
  }

  async close(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }

  /** Does an order's work, unless that was done before, and confirms it. */
  fulfil(response: ServerResponse, received: ReceivedOrder): void {
    this.fulfilled.set(String(received.headers['idempotency-key']), received.body.id);
    answer(200, { fulfilled: received.body.id })(response, received);
  }

  /** How often the work of an order was done. */
  timesFulfilled(orderId: string): number {
    return [...this.fulfilled.values()].filter((fulfilled) => fulfilled === orderId).length;
  }

  private receive(request: IncomingMessage, response: ServerResponse): void {
    let text = '';
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => (text += chunk));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      const body = JSON.parse(text) as ReceivedOrder['body'];
      const received = { method, path: url, headers, text, body };
      this.received.push(received);
      this.answer(response, received);
    });
  }
}
