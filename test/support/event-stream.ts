import { type ClientRequest, type IncomingMessage, request } from 'node:http';

import { type TestResponse } from './app.js';

/** One message of a stream of Server-Sent Events. */
export interface StreamedEvent {
  readonly id: string;
  readonly event: string;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly data: any;
}

/** A stream of events as a client keeps it open. */
export interface EventStream {
  readonly headers: Headers;
  /** All that has come so far. */
  readonly events: readonly StreamedEvent[];
  text(): string;
  /** Resolves when the server has ended it; a connection that breaks off is an error. */
  readonly ended: Promise<void>;
  close(): void;
}

/** Opens a stream, or gives the answer that is none. */
export async function openEventStream(
  origin: string,
  path: string,
  headers: Readonly<Record<string, string>>,
): Promise<EventStream | TestResponse> {
  const answer = await send(origin, path, headers);
  const received = new Headers(
    Object.entries(answer.message.headers).map(([name, value]): [string, string] => [name, String(value)]),
  );
  const events: StreamedEvent[] = [];
  let text = '';
  let rest = '';
  answer.message.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
    const messages = (rest + chunk).split('\n\n');
    rest = messages.pop() ?? '';
    events.push(...messages.flatMap(readMessage));
  });
  const ended = new Promise<void>((resolve, reject) => {
    answer.message.on('end', resolve).on('error', reject);
  });
  if (received.get('content-type') !== 'text/event-stream') {
    await ended;
    return { status: answer.message.statusCode ?? 0, headers: received, text, body: JSON.parse(text) };
  }
  // Whoever closes it does not wait for its end.
  ended.catch(() => undefined);
  return { headers: received, events, text: () => text, ended, close: () => answer.outgoing.destroy() };
}

function send(
  origin: string,
  path: string,
  headers: Readonly<Record<string, string>>,
): Promise<{ outgoing: ClientRequest; message: IncomingMessage }> {
  return new Promise((resolve, reject) => {
    const outgoing = request(`${origin}${path}`, { agent: false, headers });
    outgoing.on('response', (message) => resolve({ outgoing, message })).on('error', reject);
    outgoing.end();
  });
}

/** As a browser reads it; comments and `retry` are no events. */
function readMessage(message: string): StreamedEvent[] {
  const fields = new Map(
    message.split('\n').map((line): [string, string] => {
      const [name = '', ...value] = line.split(': ');
      return [name, value.join(': ')];
    }),
  );
  const data = fields.get('data');
  if (data === undefined) return [];
  return [{ id: fields.get('id') ?? '', event: fields.get('event') ?? '', data: JSON.parse(data) }];
}
