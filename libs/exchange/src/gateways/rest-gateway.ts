import type { CancelOutcome, ExchangeGateway, Finding, PlacementOutcome } from '../exchange-gateway.js';
import type { ExchangeOrder } from '../exchange-order.entity.js';
import type { ExecutionReport } from '../execution-report.js';
import { streamReports } from './report-stream.js';
import { type Answer, pathOf, VenueClient } from './venue-client.js';
import { oneLine, parseObject } from './venue-text.js';

const HEARTBEAT_MS = 10_000;

export interface RestGatewayOptions {
  readonly venue: string;
  readonly url: string;
  /** Sent along as a bearer token. */
  readonly token?: string | undefined;
  /** Requests at a time. */
  readonly connections: number;
  /** How often the stream has to show signs of life. */
  readonly heartbeatMs?: number;
}

/** Speaks to a venue by HTTP and WebSocket; apps/exchange-simulator/README.md has the protocol. */
export class RestGateway implements ExchangeGateway {
  readonly venue: string;
  private readonly url: URL;
  private readonly headers: Readonly<Record<string, string>>;
  private readonly client: VenueClient;

  constructor(private readonly options: RestGatewayOptions) {
    this.venue = options.venue;
    this.url = new URL(options.url);
    // The token is what says who we are.
    this.url.username = this.url.password = '';
    this.headers = options.token === undefined ? {} : { authorization: `Bearer ${options.token}` };
    this.client = new VenueClient(this.url, this.headers, options.connections);
  }

  async place(order: ExchangeOrder, signal: AbortSignal): Promise<PlacementOutcome> {
    const { id, customerId, clientOrderId, instrument, side, type, quantity, limitPriceCents } = order;
    const body = {
      clOrdId: id,
      account: customerId,
      ...(clientOrderId !== null && { clientOrderId }),
      instrument,
      side,
      type,
      quantity,
      ...(limitPriceCents !== null && { limitPriceCents }),
    };
    const request = { method: 'POST', path: '/orders', template: '/orders', body } as const;
    const answer = await this.client.send(request, signal);
    if (answer.kind === 'answered' && answer.status === 201) return { kind: 'accepted' };
    if (answer.kind === 'answered' && isRefused(answer))
      return { kind: 'refused', reason: reasonIn(parseObject(answer.text)) };
    return failureOf(answer);
  }

  async cancel(order: ExchangeOrder, signal: AbortSignal): Promise<CancelOutcome> {
    const answer = await this.client.send(aboutOrder('DELETE', order), signal);
    if (answer.kind === 'answered' && answer.status === 202) return { kind: 'requested' };
    if (answer.kind === 'answered' && isUnseen(answer, order)) return { kind: 'unseen' };
    return failureOf(answer);
  }

  async find(order: ExchangeOrder, signal: AbortSignal): Promise<Finding> {
    const answer = await this.client.send(aboutOrder('GET', order), signal);
    if (answer.kind === 'answered' && isUnseen(answer, order)) return { kind: 'unseen' };
    if (answer.kind !== 'answered' || answer.status !== 200) return failureOf(answer);
    const found = parseObject(answer.text);
    if (found['clOrdId'] !== order.id || typeof found['status'] !== 'string')
      return { kind: 'unknown', reason: 'The venue answered with something else than the order' };
    return found['status'] === 'rejected' ? { kind: 'refused', reason: reasonIn(found) } : { kind: 'found' };
  }

  reports(after: number, signal: AbortSignal): AsyncIterable<readonly ExecutionReport[]> {
    const url = new URL(this.url);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    url.pathname = `${pathOf(url)}/executions`;
    url.search = `after=${after}`;
    const { heartbeatMs = HEARTBEAT_MS } = this.options;
    return streamReports(url, { headers: this.headers, heartbeatMs }, signal);
  }

  async close(): Promise<void> {
    await this.client.close();
  }
}

function aboutOrder<M extends 'GET' | 'DELETE'>(method: M, { id }: ExchangeOrder) {
  return { method, path: `/orders/${encodeURIComponent(id)}`, template: '/orders/{clOrdId}' };
}

type Answered = Extract<Answer, { readonly kind: 'answered' }>;

// A no counts only in the venue's own words: a proxy in between has the same statuses, and knows nothing of the order.

/** The venue has never seen the order. */
function isUnseen({ status, text }: Answered, { id }: ExchangeOrder): boolean {
  const { code, clOrdId } = parseObject(text);
  return status === 404 && code === 'unseen' && clOrdId === id;
}

/** Whatever the venue finds wrong: it will say the same of the same order another time. */
function isRefused({ status, text }: Answered): boolean {
  return status >= 400 && status < 500 && parseObject(text)['code'] === 'refused';
}

/** Asked for too late, or by a stranger: by the protocol nothing was done, and nothing will be. */
function isNotTaken({ status, text }: Answered): boolean {
  return (status === 401 || status === 503) && parseObject(text)['code'] === 'not_taken';
}

function failureOf(answer: Answer): { readonly kind: 'unavailable' | 'unknown'; readonly reason: string } {
  if (answer.kind === 'unsent')
    return { kind: 'unavailable', reason: `The venue could not be reached: ${answer.reason}` };
  if (answer.kind === 'unanswered')
    return { kind: 'unknown', reason: `The venue gave no answer: ${answer.reason}` };
  const { status, text } = answer;
  const { error } = parseObject(text);
  const words = typeof error === 'string' ? oneLine(error) : '';
  const reason = `The venue answered ${status}${words === '' ? '' : `: ${words}`}`;
  return { kind: isNotTaken(answer) ? 'unavailable' : 'unknown', reason };
}

/** Why the venue refused. */
function reasonIn({ reason }: Readonly<Record<string, unknown>>): string {
  const words = typeof reason === 'string' ? oneLine(reason) : '';
  return words === '' ? 'The venue gave no reason' : words;
}
