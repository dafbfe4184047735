import { Agent, type OutgoingHttpHeaders, request } from 'node:http';
import { connect } from 'node:net';

import { readAnswerBody } from '../support/answer-body.js';
import type { TestResponse } from '../support/app.js';

export interface WireRequest {
  readonly method: string;
  /** As it goes over the wire: nothing is normalised. */
  readonly path: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string | Uint8Array | undefined;
}

/** A client that sends what it is told, on a bounded number of connections that it keeps. */
export class WireClient {
  private readonly agent: Agent;
  private readonly target: { readonly host: string; readonly port: number };

  constructor(origin: string, connections: number) {
    const { hostname, port } = new URL(origin);
    this.target = { host: hostname, port: Number(port) };
    this.agent = new Agent({ keepAlive: true, maxSockets: connections });
  }

  send({ method, path, headers = {}, body }: WireRequest): Promise<TestResponse> {
    return new Promise((resolve, reject) => {
      const isChunked = 'transfer-encoding' in headers;
      const length = body === undefined || isChunked ? {} : { 'content-length': Buffer.byteLength(body) };
      const outgoing = request(
        { ...this.target, agent: this.agent, method, path, headers: { ...length, ...headers } },
        (incoming) => {
          const chunks: Buffer[] = [];
          incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
          incoming.on('error', reject);
          incoming.on('end', () => {
            const answered = Object.entries(incoming.headers).map(([name, value]): [string, string] => [
              name,
              String(value),
            ]);
            resolve(
              toResponse(incoming.statusCode ?? 0, new Headers(answered), Buffer.concat(chunks).toString()),
            );
          });
        },
      );
      outgoing.on('error', reject);
      outgoing.end(body);
    });
  }

  close(): void {
    this.agent.destroy();
  }
}

/** Writes bytes to a connection of its own and reads what comes until the server closes it. */
export async function exchange(origin: string, bytes: string | Uint8Array): Promise<string> {
  const { hostname, port } = new URL(origin);
  const socket = connect(Number(port), hostname);
  const chunks: Buffer[] = [];
  await new Promise<void>((resolve, reject) => {
    socket.on('error', reject);
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('end', resolve);
    socket.write(bytes);
  });
  socket.destroy();
  return Buffer.concat(chunks).toString();
}

/** One answer as it came over the wire, its body in one piece. */
export function readResponse(text: string): TestResponse {
  const [head = '', ...rest] = text.split('\r\n\r\n');
  const [statusLine = '', ...fields] = head.split('\r\n');
  const headers = new Headers(
    fields.map((field): [string, string] => [
      field.slice(0, field.indexOf(':')),
      field.slice(field.indexOf(':') + 1),
    ]),
  );
  return toResponse(Number(statusLine.split(' ')[1]), headers, rest.join('\r\n\r\n'));
}

function toResponse(status: number, headers: Headers, text: string): TestResponse {
  return { status, headers, text, body: readAnswerBody(headers.get('content-type'), text) };
}
