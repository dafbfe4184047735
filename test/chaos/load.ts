import { setTimeout as pause } from 'node:timers/promises';

import { orderStatusMachine } from '@daybook/orders';

import { KeepAliveClient, type WireAnswer } from '../support/keep-alive-client.js';
import type { AnsweredOrder, Ledger, Placement } from './ledger.js';
import { Random } from './random.js';

/** What the clients order: ample stock of the first, never enough of the last. */
export const CATALOGUE = {
  skus: Array.from({ length: 40 }, (_, index) => `CHAOS-${String(index + 1).padStart(2, '0')}`),
  scarceSku: 'CHAOS-SCARCE',
} as const;

const MOVES = 0.25;
const NAMED = 0.2;
const SCARCE = 0.03;
const PAUSE_AFTER_503_MS = 100;

export interface LoadOptions {
  readonly origin: string;
  /** One per client. */
  readonly tokens: readonly string[];
  readonly ledger: Ledger;
  /** Makes this load's keys different from any other's. */
  readonly round: number;
  readonly seed: number;
}

/**
 * A closed loop of clients, each with one connection and an order or a change of status under way on it. A client that
 * is told 503 tries the same again, with the same key; one whose connection breaks gives up.
 */
export class Load {
  /** 201 and 200. */
  succeeded = 0;
  private isStopping = false;
  private readonly clients: readonly KeepAliveClient[];
  private readonly finished: Promise<unknown>;

  constructor(private readonly options: LoadOptions) {
    const { origin, tokens } = options;
    this.clients = tokens.map((token) => new KeepAliveClient(origin, token));
    this.finished = Promise.all(this.clients.map((client, index) => this.run(client, index)));
  }

  /** Lets every client finish what it is at, and resolves when all are done. */
  async stop(): Promise<void> {
    this.isStopping = true;
    await this.finished;
    for (const client of this.clients) client.close();
  }

  private async run(client: KeepAliveClient, index: number): Promise<void> {
    const { ledger, round, seed } = this.options;
    const random = new Random(seed, round, index);
    const settled: Placement[] = [];
    for (let n = 1; !this.isStopping; n += 1) {
      const isMove = settled.length > 0 && random.chance(MOVES);
      const placement = isMove
        ? random.pick(settled)
        : ledger.open(`r${round}-c${index}-${n}`, index, orderBody(random, n, index, round));
      const isConnected = isMove
        ? await this.move(client, placement, random)
        : await this.place(client, placement);
      if (!isConnected) return;
      if (!isMove && placement.order !== undefined) settled.push(placement);
    }
  }

  /** False when the connection broke. */
  private async place(client: KeepAliveClient, placement: Placement): Promise<boolean> {
    const { ledger } = this.options;
    for (;;) {
      const answer = await attempt(client, placement);
      if (answer === undefined) {
        placement.isInDoubt = true;
        return false;
      }
      if (note(placement, answer, ledger) !== 'try again') {
        this.succeeded += 1;
        return true;
      }
      if (this.isStopping) return true;
      await pause(PAUSE_AFTER_503_MS);
    }
  }

  private async move(client: KeepAliveClient, placement: Placement, random: Random): Promise<boolean> {
    const { order } = placement;
    if (order === undefined || placement.doubtfulMove !== undefined) return true;
    const edges = orderStatusMachine.allowed(order.status);
    if (edges.length === 0) return true;
    const to = random.pick(edges);
    const answer = await send(
      client,
      `/api/v1/orders/${order.id}`,
      { status: to },
      {
        method: 'PATCH',
        headers: { 'if-match': `"${order.version}"`, 'x-request-id': `${placement.key}-${order.version}` },
      },
    );
    if (answer?.status === 200) {
      const { id, status, version } = JSON.parse(answer.text) as AnsweredOrder;
      placement.order = { id, status, version };
      placement.latest = answer.text;
      if (status !== to || version !== order.version + 1) {
        this.options.ledger.protests.push(`order ${id} was to go to ${to}, and was answered ${answer.text}`);
      }
      this.succeeded += 1;
    } else if (answer === undefined || isUnknown(answer)) {
      placement.doubtfulMove = { from: order.status, to, version: order.version + 1 };
    } else if (answer.status !== 503) {
      this.options.ledger.protests.push(`order ${order.id} to ${to}: ${answer.status} ${answer.text}`);
    }
    if (answer?.status === 503) await pause(PAUSE_AFTER_503_MS);
    return answer !== undefined;
  }
}

/** Sends the placement, for the first time or again; undefined when the connection broke. */
export function attempt(client: KeepAliveClient, { key, body }: Placement): Promise<WireAnswer | undefined> {
  return send(client, '/api/v1/orders', body, { headers: { 'idempotency-key': key, 'x-request-id': key } });
}

/** Writes down what was answered, and protests against what should not have been. */
export function note(placement: Placement, answer: WireAnswer, ledger: Ledger): 'settled' | 'try again' {
  const { status, text } = answer;
  if (status === 201) {
    ledger.place(placement, text);
    return 'settled';
  }
  if (status === 503) {
    if (isUnknown(answer)) placement.isInDoubt = true;
    if (placement.state === 'unanswered') placement.state = 'declined';
    return 'try again';
  }
  const wasPlaced = placement.answer !== undefined;
  if (
    status === 409 &&
    text.includes('insufficient_stock') &&
    text.includes(CATALOGUE.scarceSku) &&
    !wasPlaced
  ) {
    Object.assign(placement, { state: 'refused', isInDoubt: false });
  } else {
    ledger.protests.push(`${placement.key} (${JSON.stringify(placement.body)}): ${status} ${text}`);
  }
  return 'settled';
}

/** The one refusal that does not say "Nothing was done". */
function isUnknown({ status, text }: WireAnswer): boolean {
  return status === 503 && !text.includes('Nothing was done');
}

async function send(
  client: KeepAliveClient,
  path: string,
  body: object,
  options: { method?: string; headers: Record<string, string> },
): Promise<WireAnswer | undefined> {
  try {
    return await client.ask(path, body, options);
  } catch {
    // The server was killed: that is what the campaign is about.
    return undefined;
  }
}

function orderBody(random: Random, n: number, client: number, round: number): object {
  const lines = Array.from({ length: random.between(1, 3) }, () => ({
    sku: random.pick(CATALOGUE.skus),
    quantity: random.between(1, 5),
  }));
  if (random.chance(SCARCE)) lines.push({ sku: CATALOGUE.scarceSku, quantity: 1 });
  return { lines, ...(random.chance(NAMED) && { clientOrderId: `cart-${round}-${client}-${n}` }) };
}
