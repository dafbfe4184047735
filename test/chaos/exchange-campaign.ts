import { setTimeout as pause } from 'node:timers/promises';

import { request, tokenFor } from '../support/app.js';
import type { SimulatedVenue } from '../support/exchange-simulator.js';
import { KeepAliveClient } from '../support/keep-alive-client.js';
import { readPrometheusText } from '../support/prometheus-text.js';
import { waitFor } from '../support/wait-for.js';
import { differences, type ExchangeBooks, type ExchangeWish, judgePlacing } from './exchange-verdict.js';
import { Random } from './random.js';

/** The processes under test; they come back under other addresses. */
export interface ExchangeSite extends Pick<ExchangeBooks, 'query'> {
  readonly databaseUrl: string;
  readonly origins: readonly string[];
  killServer(): Promise<void>;
  startServer(): Promise<void>;
}

export interface ExchangeOptions {
  readonly seed: number;
  readonly orders: number;
  /** Orders that are placed at a time. */
  readonly connections: number;
  /** How often all processes are killed. */
  readonly kills: number;
}

export interface ExchangeReport {
  readonly orders: number;
  readonly seconds: number;
  /** By the status of the answer. */
  readonly answers: Readonly<Record<string, number>>;
  /** How the orders ended, by status. */
  readonly statuses: Readonly<Record<string, number>>;
  /** Requests that were sent again, because no answer came. */
  readonly retried: number;
  /** Orders that were asked to be cancelled. */
  readonly cancelled: number;
  /** Requests that the venue answered 503, or did not answer; and placements that came to it a second time. */
  readonly failedAtVenue: number;
  readonly unansweredByVenue: number;
  readonly repeatedAtVenue: number;
  /** From the last answer until the venue's word about every order was known here, and until all else agreed as well. */
  readonly settledAfterSeconds: number;
  readonly agreedAfterSeconds: number;
  /** The worst p99 of the lag of an event loop over five seconds, and the median of them. */
  readonly lagP99Ms: number;
  readonly lagMedianMs: number;
  readonly problems: readonly string[];
}

const INSTRUMENTS = { US0378331005: 19_000, DE0007164600: 12_000, GB0002634946: 1_100 };
const STUCK_AFTER_MS = 60_000;
const LAG_WINDOW_MS = 5_000;
const PATH = '/api/v1/exchange/orders';

/** Orders placed by many clients at a venue that is in a bad way, by processes that are killed meanwhile. */
export class ExchangeCampaign {
  private readonly random: Random;
  private readonly wishes: ExchangeWish[] = [];
  private readonly lags: number[] = [];
  private readonly protests: string[] = [];
  private token = '';
  private answered = 0;
  private retried = 0;
  private cancelled = 0;
  private isOver = false;

  constructor(
    private readonly site: ExchangeSite,
    private readonly venue: SimulatedVenue,
    private readonly options: ExchangeOptions,
  ) {
    this.random = new Random(options.seed, 1);
  }

  /** In words, for whoever looks on. */
  get progress(): string {
    return `${this.answered}/${this.options.orders} answered, ${this.retried} sent again`;
  }

  async run(): Promise<ExchangeReport> {
    this.token = await tokenFor('chaos', 'operator');
    await this.venue.behave({ prices: INSTRUMENTS });
    const since = performance.now();
    const watching = this.watchLags();
    await Promise.all([this.placeAll(), this.killSome()]);
    const lastAnswer = performance.now();
    const settled = await this.untilSettled();
    const agreed = await this.untilAgreed();
    this.isOver = true;
    await watching;
    const { failed, unanswered, repeated } = await this.venue.counts();
    const lags = this.lags.toSorted((a, b) => a - b);
    return {
      orders: this.wishes.length,
      seconds: (performance.now() - since) / 1000,
      answers: countBy(this.wishes.map(({ status }) => String(status))),
      statuses: countBy(
        (await this.site.query<{ status: string }>('SELECT status FROM exchange_orders')).map(
          ({ status }) => status,
        ),
      ),
      retried: this.retried,
      cancelled: this.cancelled,
      failedAtVenue: failed,
      unansweredByVenue: unanswered,
      repeatedAtVenue: repeated,
      settledAfterSeconds: (settled.at - lastAnswer) / 1000,
      agreedAfterSeconds: (agreed - lastAnswer) / 1000,
      lagP99Ms: lags.at(-1) ?? 0,
      lagMedianMs: lags[Math.floor(lags.length / 2)] ?? 0,
      problems: [...this.protests, ...settled.problems, ...(await this.judge()), ...(await this.askAgain())],
    };
  }

  /** What is wrong with everything that was done so far. */
  judge(): Promise<string[]> {
    return judgePlacing(this.books, this.venue, this.wishes);
  }

  private get books(): ExchangeBooks {
    return { url: this.site.databaseUrl, query: (text, values) => this.site.query(text, values) };
  }

  private async placeAll(): Promise<void> {
    const bodies = Array.from({ length: this.options.orders }, () => this.draw());
    const clients = Array.from({ length: this.options.connections }, async (_, index) => {
      for (let body = bodies.pop(); body !== undefined; body = bodies.pop()) await this.place(body, index);
    });
    await Promise.all(clients);
  }

  /** Most of them are filled at once; some wait for a price that never comes, and half of those are cancelled. */
  private draw() {
    const { random } = this;
    const number = this.wishes.length + 1;
    const clientOrderId = `wish-${number}`;
    const isResting = random.chance(0.25);
    const order = {
      clientOrderId,
      instrument: random.pick(Object.keys(INSTRUMENTS)),
      side: isResting ? 'buy' : random.pick(['buy', 'sell']),
      quantity: random.between(1, 1_000),
      ...(isResting ? { type: 'limit', limitPriceCents: 1 } : { type: 'market' }),
    };
    const wish: ExchangeWish = { key: `key-${number}`, clientOrderId, order };
    this.wishes.push(wish);
    return { wish, isToBeCancelled: isResting && random.chance(0.5) };
  }

  private async place({ wish, isToBeCancelled }: ReturnType<ExchangeCampaign['draw']>, index: number) {
    const answer = await this.send(wish, index);
    const body = JSON.parse(answer.text) as { id?: string; orderId?: string; status?: string };
    wish.status = answer.status;
    wish.text = answer.text;
    wish.orderId = body.id ?? body.orderId ?? '';
    this.answered += 1;
    if (![201, 202, 422, 502].includes(answer.status))
      this.protests.push(`${wish.clientOrderId} was answered ${answer.status} ${answer.text}`);
    if (!isToBeCancelled || answer.status !== 201) return;
    const { status, text } = await this.insist(index, (client) =>
      client.ask(`${PATH}/${wish.orderId}`, undefined, { method: 'DELETE' }),
    );
    if (status === 202) this.cancelled += 1;
    else this.protests.push(`the wish to cancel ${wish.orderId} was answered ${status} ${text}`);
  }

  /** As a good client does: the same request again, until there is an answer. */
  private async insist<A extends { readonly status: number }>(
    index: number,
    ask: (client: KeepAliveClient) => Promise<A>,
  ): Promise<A> {
    for (;;) {
      const origin = await waitFor('a server', () => this.site.origins[index % this.site.origins.length]);
      const client = new KeepAliveClient(origin, this.token);
      try {
        const answer = await ask(client);
        if (answer.status !== 503) return answer;
      } catch {
        // Killed under the request, or not there yet.
      } finally {
        client.close();
      }
      this.retried += 1;
      await pause(50);
    }
  }

  private async killSome(): Promise<void> {
    const random = new Random(this.options.seed, 2);
    for (let kill = 1; kill <= this.options.kills; kill += 1) {
      const share = kill / (this.options.kills + 1) + random.between(-5, 5) / 100;
      await waitFor('orders', () => this.answered >= share * this.options.orders, 600_000);
      await pause(random.between(0, 500));
      await this.site.killServer();
      await this.site.startServer();
    }
  }

  /** Resolves when nothing waits for a word of the venue any more. Orders that may be cancelled wait for its reports. */
  private async untilSettled(): Promise<{ at: number; problems: string[] }> {
    const open = () =>
      this.site.query<{ id: string; status: string }>(
        `SELECT id::text, status FROM exchange_orders WHERE status IN ('pending', 'cancel_pending') LIMIT 10`,
      );
    try {
      await waitFor('the word of the venue', async () => (await open()).length === 0, STUCK_AFTER_MS);
      return { at: performance.now(), problems: [] };
    } catch {
      const problems = (await open()).map(({ id, status }) => `order ${id} is ${status} after a minute`);
      return { at: performance.now(), problems };
    }
  }

  /** What differs then is told by the verdict. */
  private async untilAgreed(): Promise<number> {
    const isAgreed = async () => (await differences(this.books, this.venue)).length === 0;
    await waitFor('the books to agree', isAgreed, STUCK_AFTER_MS).catch(() => undefined);
    return performance.now();
  }

  private send({ order, key }: ExchangeWish, index: number) {
    return this.insist(index, (client) => client.ask(PATH, order, { headers: { 'idempotency-key': key } }));
  }

  /** Whoever sends the same request again gets the same answer, whatever has become of the order. */
  private async askAgain(): Promise<string[]> {
    const asked = this.wishes.filter((_, index) => index % 10 === 0);
    const answers = await Promise.all(asked.map((wish, index) => this.send(wish, index)));
    return answers.flatMap(({ text }, index) =>
      text === asked[index]?.text
        ? []
        : [`${asked[index]?.clientOrderId} was answered ${asked[index]?.text} at first, and then ${text}`],
    );
  }

  private async watchLags(): Promise<void> {
    const begun = new Set<string>();
    while (!this.isOver) {
      await pause(LAG_WINDOW_MS);
      for (const origin of this.site.origins) {
        const lag = await lagOf(origin).catch(() => undefined);
        // The first one tells of the start.
        if (lag !== undefined && begun.has(origin)) this.lags.push(lag);
        begun.add(origin);
      }
    }
  }
}

/** p99 since the last time somebody asked, in milliseconds. */
async function lagOf(origin: string): Promise<number | undefined> {
  const { text } = await request(origin, 'GET', '/metrics');
  const family = readPrometheusText(text).find(({ name }) => name === 'nodejs_eventloop_lag_p99_seconds');
  const seconds = family?.samples[0]?.value;
  return seconds === undefined ? undefined : seconds * 1000;
}

function countBy(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names.toSorted()) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
