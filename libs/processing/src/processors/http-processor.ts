import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';

import { type Order, toOrderResponse } from '@daybook/orders';
import { inSpan, type SpanOptions, traceHeaders } from '@daybook/platform';

import type { AttemptContext, Deferred, OrderProcessor } from '../order-processor.js';
import { callbackPath } from '../report-outcome/report-outcome.dto.js';
import { signatureHeaders } from '../signature.js';
import { judgeAnswer } from './judge-answer.js';
import { post, type ServiceAnswer } from './post.js';

/** Below the five seconds after which many a server closes an idle connection, so that no order is sent on one that ends. */
const IDLE_MS = 4_000;

export interface HttpProcessorOptions {
  readonly url: string;
  /** Signs the requests; the service signs its callbacks with the same. */
  readonly secret: string;
  /** How long an order waits for its callback. */
  readonly callbackTimeoutSeconds: number;
  /** Connections at a time: as many as there are workers, each of which has one order. */
  readonly connections: number;
}

/** Sends orders to a fulfilment service; docs/processing.md says what the service has to do. */
export class HttpProcessor implements OrderProcessor {
  private readonly url: URL;
  private readonly agent: HttpAgent;
  private readonly spanOptions: SpanOptions;

  constructor(private readonly options: HttpProcessorOptions) {
    this.url = new URL(options.url);
    const { origin, pathname, hostname, port, protocol } = this.url;
    this.spanOptions = {
      kind: 'client',
      attributes: {
        'http.request.method': 'POST',
        // Without its query and user, which may be secrets.
        'url.full': origin + pathname,
        'server.address': hostname,
        'server.port': Number(port || (protocol === 'https:' ? 443 : 80)),
      },
    };
    const Agent = this.url.protocol === 'https:' ? HttpsAgent : HttpAgent;
    this.agent = new Agent({ keepAlive: true, maxSockets: options.connections, timeout: IDLE_MS });
  }

  async process(order: Readonly<Order>, { attempt, signal }: AttemptContext): Promise<Deferred | void> {
    const { secret, callbackTimeoutSeconds } = this.options;
    const body = JSON.stringify({
      ...toOrderResponse(order),
      attempt,
      callback: {
        path: callbackPath(order.id),
        version: order.version,
        timeoutSeconds: callbackTimeoutSeconds,
      },
    });
    const headers = {
      'content-type': 'application/json',
      accept: 'application/json, application/problem+json',
      'user-agent': 'daybook',
      // The order alone: whatever happens to it, attempts and new starts after a failure included, it is sent once. A
      // new start may well follow an attempt that timed out here and succeeded there.
      'idempotency-key': order.id,
      ...signatureHeaders(body, secret),
    };
    const answer = await this.send(body, headers, signal);
    return judgeAnswer(answer, callbackTimeoutSeconds);
  }

  /** Breaks all connections. */
  close(): void {
    this.agent.destroy();
  }

  private async send(
    body: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<ServiceAnswer> {
    try {
      return await inSpan('POST', this.spanOptions, async (span) => {
        const options = { agent: this.agent, headers: { ...headers, ...traceHeaders() }, signal };
        const answer = await post(this.url, options, body);
        span.describe({ 'http.response.status_code': answer.status });
        if (answer.status >= 400) span.fail(String(answer.status), `Answered with ${answer.status}`);
        return answer;
      });
    } catch (error) {
      signal.throwIfAborted();
      const { code, message } = error as NodeJS.ErrnoException;
      throw new Error(`The fulfilment service gave no answer: ${code ?? message}`, { cause: error });
    }
  }
}
