import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { type WebSocket, WebSocketServer } from 'ws';

import { waitFor } from '../../../../test/support/wait-for.js';
import type { ExecutionReport } from '../execution-report.js';
import { RestGateway } from './rest-gateway.js';

/** The stream of a venue that does what a test wants. */
class StrangeStream {
  readonly requests: IncomingMessage[] = [];
  readonly sockets: WebSocket[] = [];
  pings = 0;
  private readonly http: Server = createServer((_, response) => response.end('no stream'));
  private readonly server = new WebSocketServer({ server: this.http });

  constructor(greet: (socket: WebSocket) => void) {
    this.server.on('connection', (socket, request) => {
      this.requests.push(request);
      this.sockets.push(socket);
      socket.on('ping', () => (this.pings += 1)).on('error', () => undefined);
      greet(socket);
    });
  }

  async start(): Promise<this> {
    this.http.listen(0, '127.0.0.1');
    await once(this.http, 'listening');
    return this;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.http.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    for (const socket of this.server.clients) socket.terminate();
    const closed = once(this.http, 'close');
    this.http.close();
    this.http.closeAllConnections();
    await closed;
  }
}

const report = (sequence: number, more: object = {}) => ({
  sequence,
  execId: `E${sequence}`,
  orderRef: 'X20261121-00001',
  type: 'trade',
  quantity: 1,
  priceCents: 1_000,
  executedAt: '2026-11-21T09:30:00.000Z',
  ...more,
});
const frame = (...reports: unknown[]) => JSON.stringify(reports);

const streams: StrangeStream[] = [];
async function venueThat(greet: (socket: WebSocket) => void): Promise<StrangeStream> {
  const stream = await new StrangeStream(greet).start();
  streams.push(stream);
  return stream;
}
afterEach(async () => {
  await Promise.all(streams.splice(0).map((stream) => stream.stop()));
});

const gatewayTo = (url: string, options: { token?: string; heartbeatMs?: number } = {}) =>
  new RestGateway({ venue: 'XSIM', url, connections: 1, ...options });

/** Reads to the bitter end. */
async function readAll(gateway: RestGateway, seen: ExecutionReport[] = []): Promise<string> {
  try {
    for await (const reports of gateway.reports(0, AbortSignal.timeout(30_000))) seen.push(...reports);
    return 'ended in good order';
  } catch (error) {
    return (error as Error).message;
  }
}

describe('what comes over the stream', () => {
  it('is asked for below the address, with the token', async () => {
    const venue = await venueThat((socket) => socket.close());
    await readAll(gatewayTo(`${venue.url}/venues/7/?a=b`, { token: 'open sesame' }));
    expect(venue.requests[0]?.url).toBe('/venues/7/executions?after=0');
    expect(venue.requests[0]?.headers['authorization']).toBe('Bearer open sesame');
  });

  it('comes frame by frame, an empty one too', async () => {
    const venue = await venueThat((socket) => {
      for (const text of [frame(report(1), report(2)), frame(), frame(report(3))]) socket.send(text);
    });
    const frames: number[] = [];
    for await (const reports of gatewayTo(venue.url).reports(0, AbortSignal.timeout(30_000))) {
      frames.push(reports.length);
      if (frames.length === 4) break;
    }
    // The first says that the connection stands.
    expect(frames).toEqual([0, 2, 0, 1]);
  });

  it.each<[string, string, RegExp]>([
    ['no JSON', 'hello', /a frame is not JSON$/],
    ['no list', '{}', /a frame is not a list$/],
    ['a list of nothing', '[null]', /a report is not an object$/],
    ['no sequence number', frame(report(4, { sequence: undefined })), /a sequence number is missing$/],
    ['a sequence number that is none', frame(report(4, { sequence: '4' })), /a sequence number is "4"$/],
    ['half a sequence number', frame(report(4.5)), /a sequence number is 4.5$/],
    ['sequence number 0', frame(report(0)), /a sequence number is 0$/],
    ['too large a sequence number', frame(report(2 ** 53)), /a sequence number is 9007199254740992$/],
  ])('cannot be read: %s; what came before can', async (_, text, flaw) => {
    const venue = await venueThat((socket) => {
      socket.send(frame(report(1), report(2)));
      socket.send(text);
      socket.send(frame(report(5)));
    });
    const seen: ExecutionReport[] = [];
    const ending = await readAll(gatewayTo(venue.url), seen);
    expect(ending).toMatch(/^The venue sent execution reports that cannot be read: /);
    expect(ending).toMatch(flaw);
    expect(seen).toEqual([report(1), report(2)]);
    await waitFor('the connection to be closed', () => venue.sockets[0]?.readyState === 3);
  });

  it('is left to others to judge, as far as it can be told apart', async () => {
    const odd = [
      report(1, { type: 'lost' }),
      report(2, { quantity: 'many', priceCents: -1 }),
      report(3, { executedAt: 'now' }),
      report(4, { execId: undefined }),
      report(5, { execId: 4 }),
      report(6, { execId: '' }),
      report(7, { execId: 'a\u0000' }),
      report(8, { execId: 'the seventh' }),
      report(9, { orderRef: null }),
      report(10, { orderRef: 'a\nb' }),
      report(11, { orderRef: 'Örder 7' }),
    ];
    const venue = await venueThat((socket) => {
      socket.send(frame(...odd));
      socket.close();
    });
    const seen: ExecutionReport[] = [];
    await readAll(gatewayTo(venue.url), seen);
    expect(seen).toEqual(odd);
  });

  it('is short, so that any bus can carry it, and no less wrong by that', async () => {
    const deep = `${'['.repeat(5_000)}${']'.repeat(5_000)}`;
    const venue = await venueThat((socket) => {
      socket.send(frame(report(1, { execId: 'x'.repeat(1_000_000), orderRef: 'y'.repeat(129) })));
      socket.send(`[${JSON.stringify(report(2, { execId: 0 })).replace('"execId":0', `"execId":${deep}`)}]`);
      socket.close();
    });
    const seen: ExecutionReport[] = [];
    await readAll(gatewayTo(venue.url), seen);
    expect(seen).toEqual([
      report(1, { execId: 'x'.repeat(300), orderRef: 'y'.repeat(129) }),
      report(2, { execId: '(not a value)' }),
    ]);
  });

  it('has no more in it than a report has, and words that a log can show', async () => {
    const venue = await venueThat((socket) => {
      socket.send(frame(report(1, { reason: 'a\u0000b\n\u202ec', other: 1 }), report(2, { reason: 7 })));
      socket.close();
    });
    const seen: ExecutionReport[] = [];
    await readAll(gatewayTo(venue.url), seen);
    expect(seen).toEqual([report(1, { reason: 'a b c' }), report(2)]);
  });
});

describe('a stream that breaks', () => {
  it.each<[string, (socket: WebSocket) => void, RegExp]>([
    [
      'closed by the venue',
      (socket) => socket.close(1001, 'good\nnight'),
      /it was closed \(1001\) good night$/,
    ],
    ['cut', (socket) => socket.terminate(), /it was closed \(1006\)$/],
    ['a frame of bytes', (socket) => socket.send(Buffer.from('[]')), /a frame is not text$/],
    ['a frame beyond all measure', (socket) => socket.send(' '.repeat(17 * 1024 * 1024)), /Max payload size/],
    [
      'no WebSocket any more',
      (socket) =>
        (socket as unknown as { _socket: { write(text: string): void } })._socket.write('\xff\xffhello'),
      /Invalid WebSocket frame/,
    ],
  ])('says so: %s', async (_, behave, flaw) => {
    const venue = await venueThat((socket) => socket.send(frame(report(1)), () => behave(socket)));
    const seen: ExecutionReport[] = [];
    const ending = await readAll(gatewayTo(venue.url), seen);
    expect(ending).toMatch(/^The stream of execution reports broke: /);
    expect(ending).toMatch(flaw);
    expect(seen).toEqual([report(1)]);
  });

  it('because nobody listens says so', async () => {
    expect(await readAll(gatewayTo('http://127.0.0.1:1'))).toMatch(/broke: connect ECONNREFUSED/);
  });

  it.each<[number, string, string]>([
    [410, 'Gone\nfor good', 'Gone for good'],
    [401, '', ''],
    [302, '', ''],
    [200, 'no stream', 'no stream'],
    [500, 'x'.repeat(100_000), 'x'.repeat(200)],
  ])('because it is refused with %i says why', async (status, body, words) => {
    const server = createServer((_, response) => response.end());
    server.on('upgrade', (_, socket) => {
      socket.on('error', () => undefined);
      const location = status === 302 ? 'location: http://127.0.0.1:1/\r\n' : '';
      socket.end(`HTTP/1.1 ${status} No\r\n${location}connection: close\r\n\r\n${body}`);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const ending = await readAll(gatewayTo(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
    expect(ending).toContain(`broke: it was refused (${status}) ${words}`.trim());
    server.close();
  });

  it('without a word, as a dead network does, is noticed', async () => {
    const venue = await venueThat((socket) => {
      socket.send(frame(report(1)));
      // It reads nothing any more, so it does not answer a ping.
      socket.pause();
    });
    const seen: ExecutionReport[] = [];
    expect(await readAll(gatewayTo(venue.url, { heartbeatMs: 20 }), seen)).toMatch(
      /no sign of life for 40 ms$/,
    );
    expect(seen).toEqual([report(1)]);
    expect(venue.sockets).toHaveLength(1);
  });
});

describe('a stream on which nothing happens', () => {
  it('is kept as long as the venue answers', async () => {
    const venue = await venueThat(() => undefined);
    const reading = gatewayTo(venue.url, { heartbeatMs: 10 })
      .reports(0, AbortSignal.timeout(30_000))
      [Symbol.asyncIterator]();
    expect((await reading.next()).value).toEqual([]);
    const next = reading.next();
    await waitFor('ten signs of life', () => venue.pings >= 10);
    venue.sockets[0]?.send(frame(report(1)));
    expect(await next).toEqual({ done: false, value: [report(1)] });
    await reading.return?.();
  });
});

describe('a reader that is slower than the venue', () => {
  const FRAMES = 400;
  const PER_FRAME = 500;

  function sendAll(socket: WebSocket): void {
    for (let index = 0; index < FRAMES; index += 1) {
      const reports = Array.from({ length: PER_FRAME }, (_, place) => report(index * PER_FRAME + place + 1));
      socket.send(frame(...reports));
    }
  }

  it('lets it wait, takes that for no silence, and then gets everything', async () => {
    const venue = await venueThat(sendAll);
    const other = await venueThat(() => undefined);
    const slow = gatewayTo(venue.url, { heartbeatMs: 10 })
      .reports(0, AbortSignal.timeout(30_000))
      [Symbol.asyncIterator]();
    expect((await slow.next()).value).toHaveLength(0);
    expect((await slow.next()).value).toHaveLength(PER_FRAME);
    const stop = new AbortController();
    const quiet = gatewayTo(other.url, { heartbeatMs: 10 }).reports(0, stop.signal)[Symbol.asyncIterator]();
    expect((await quiet.next()).value).toEqual([]);
    const beside = quiet.next();
    // Nobody is in its way, and still most of it does not leave the venue.
    for (let before = -1, left = 0; before !== left;) {
      const beats = other.pings + 10;
      await waitFor('ten heartbeats', () => other.pings >= beats);
      before = left;
      left = venue.sockets[0]?.bufferedAmount ?? 0;
    }
    expect(venue.sockets[0]?.bufferedAmount).toBeGreaterThan(10 * 1024 * 1024);
    stop.abort();
    await beside;
    let sequence = PER_FRAME;
    while (sequence < FRAMES * PER_FRAME) {
      const { value } = (await slow.next()) as { value: readonly ExecutionReport[] };
      const isInOrder = value.every((each) => each.sequence === (sequence += 1));
      expect({ sequence, isInOrder }).toEqual({ sequence, isInOrder: true });
    }
    await slow.return?.();
  });
});
