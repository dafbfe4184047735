import { inSpan, traceHeaders } from '@daybook/platform';
import { type Dispatcher, Pool } from 'undici';

import { Slots } from './slots.js';

/** Below the five seconds after which many a server closes an idle connection, so that no order is sent on one that ends. */
const IDLE_MS = 4_000;
const CONNECT_MS = 10_000;
/** Longer bodies are not read: a status is worth more than what is said about it. */
const LONGEST_BODY = 64 * 1024;

/** What came of a request. */
export type Answer =
  /** @property text the body, empty if it did not come in full */
  | { readonly kind: 'answered'; readonly status: number; readonly text: string }
  /** Nothing has left this process. */
  | { readonly kind: 'unsent'; readonly reason: string }
  /** It may have arrived. */
  | { readonly kind: 'unanswered'; readonly reason: string };

export interface VenueRequest {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Below the address of the venue. */
  readonly path: string;
  /** The same, without names, for traces. */
  readonly template: string;
  readonly body?: object;
}

/** Without a slash at its end. */
export function pathOf({ pathname }: URL): string {
  return pathname.replace(/\/+$/, '');
}

/** Requests to one server, each sent once: nothing is tried again here, and no redirection followed. */
export class VenueClient {
  private readonly pool: Pool;
  private readonly slots: Slots;

  /**
   * @param url of which origin and path count
   * @param connections requests at a time; further ones wait
   */
  constructor(
    private readonly url: URL,
    private readonly headers: Readonly<Record<string, string>>,
    connections: number,
  ) {
    this.slots = new Slots(connections);
    this.pool = new Pool(url.origin, {
      connections,
      pipelining: 1,
      allowH2: false,
      keepAliveTimeout: IDLE_MS,
      keepAliveMaxTimeout: IDLE_MS,
      connectTimeout: CONNECT_MS,
      // The signal ends them.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  }

  /** Never throws. Ends soon after the signal is aborted. */
  async send(request: VenueRequest, signal: AbortSignal): Promise<Answer> {
    const { origin, hostname, port, protocol } = this.url;
    const attributes = {
      'http.request.method': request.method,
      'url.template': request.template,
      'url.full': origin + pathOf(this.url) + request.path,
      'server.address': hostname,
      'server.port': Number(port || (protocol === 'https:' ? 443 : 80)),
    };
    const name = `${request.method} ${request.template}`;
    return inSpan(name, { kind: 'client', attributes }, async (span) => {
      const answer = await this.exchange(request, signal);
      if (answer.kind !== 'answered') span.fail(answer.kind, answer.reason);
      else {
        span.describe({ 'http.response.status_code': answer.status });
        if (answer.status >= 400) span.fail(String(answer.status), `Answered with ${answer.status}`);
      }
      return answer;
    });
  }

  /** Breaks all connections; requests that are under way are unanswered. */
  async close(): Promise<void> {
    await this.pool.destroy();
  }

  private async exchange({ method, path, body }: VenueRequest, signal: AbortSignal): Promise<Answer> {
    // In the pool's own queue a request could not be given up without breaking a connection.
    if (!(await this.slots.enter(signal))) return { kind: 'unsent', reason: 'its turn did not come in time' };
    try {
      // It may have been aborted since.
      if (signal.aborted) return { kind: 'unsent', reason: 'no answer in time' };
      return await new Promise((resolve) => {
        const handler = new AnswerHandler(signal, resolve);
        const text = body === undefined ? undefined : JSON.stringify(body);
        const headers = {
          ...this.headers,
          ...traceHeaders(),
          accept: 'application/json',
          'user-agent': 'daybook',
          ...(text !== undefined && { 'content-type': 'application/json' }),
        };
        const options = { method, path: pathOf(this.url) + path, headers, body: text ?? null };
        this.pool.dispatch(options, handler);
      });
    } finally {
      this.slots.leave();
    }
  }
}

/** Collects the answer to one request, and knows whether the request was sent. */
class AnswerHandler implements Dispatcher.DispatchHandler {
  private controller: Dispatcher.DispatchController | undefined;
  private status: number | undefined;
  private readonly chunks: Buffer[] = [];
  private length = 0;
  private isSettled = false;
  private readonly onAbort = () => this.giveUp('no answer in time');

  constructor(
    private readonly signal: AbortSignal,
    private readonly resolve: (answer: Answer) => void,
  ) {
    signal.addEventListener('abort', this.onAbort, { once: true });
  }

  /** Called when there is a connection, and not a byte is written yet. */
  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
    if (this.isSettled) controller.abort(new Error('given up'));
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number): void {
    if (status >= 200) this.status = status;
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    this.length += chunk.length;
    if (this.length > LONGEST_BODY) this.giveUp('too long');
    else this.chunks.push(chunk);
  }

  onResponseEnd(): void {
    this.settle(Buffer.concat(this.chunks).toString(), '');
  }

  onResponseError(_: Dispatcher.DispatchController, error: NodeJS.ErrnoException): void {
    this.settle('', error.code ?? error.message);
  }

  private giveUp(reason: string): void {
    this.settle('', reason);
    this.controller?.abort(new Error(reason));
  }

  private settle(text: string, reason: string): void {
    if (this.isSettled) return;
    this.isSettled = true;
    this.signal.removeEventListener('abort', this.onAbort);
    if (this.status !== undefined) this.resolve({ kind: 'answered', status: this.status, text });
    else this.resolve({ kind: this.controller === undefined ? 'unsent' : 'unanswered', reason });
  }
}
