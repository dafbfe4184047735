import { setTimeout as pause } from 'node:timers/promises';

import { request, tokenFor } from '../support/app.js';
import { KeepAliveClient } from '../support/keep-alive-client.js';
import { waitFor } from '../support/wait-for.js';
import { compare } from './compare.js';
import { type Booking, Ledger, type Placement } from './ledger.js';
import { Load } from './load.js';
import { Random } from './random.js';
import type { Site } from './site.js';
import { attempt, CATALOGUE, note } from './wishes.js';

export const VICTIMS = ['node', 'postgres', 'both'] as const;
/** What is killed in a round; both: at the same moment. */
export type Victim = (typeof VICTIMS)[number];

export interface CampaignOptions {
  readonly seed: number;
  readonly connections: number;
  /** Out of which each round picks one; or one after the other. */
  readonly victims: readonly Victim[] | 'in turn';
}

/** What one round came to. */
export interface RoundReport {
  readonly round: number;
  readonly victim: Victim;
  readonly seconds: number;
  /** Orders answered 201 under load. */
  readonly placed: number;
  /** Reservations answered 201 under load, and how many of those orders took one over. */
  readonly reserved: number;
  readonly consumed: number;
  /** Of the orders and reservations left without an answer: tried again with the same key, and how that ended. */
  readonly unanswered: number;
  readonly retried: number;
  readonly hadBeenMade: number;
  /** Answers asked for again, to the byte. */
  readonly replayed: number;
  /** How long there was no service. */
  readonly downMs: number;
  readonly problems: readonly string[];
}

type Wish = Placement | Booking;

const SHARE_RETRIED = 0.6;
const REPLAYS = 40;
const LONGEST_BATCH_MS = 100;
const LOAD_LIMIT_MS = 30_000;
const RECOVERY_LIMIT_MS = 120_000;

/** Rounds of load, murder, recovery and comparison, on one database whose books grow from round to round. */
export class Campaign {
  readonly ledger = new Ledger();
  private tokens: readonly string[] = [];
  private load: Load | undefined;

  private constructor(
    private readonly site: Site,
    private readonly options: CampaignOptions,
  ) {}

  static async begin(site: Site, options: CampaignOptions): Promise<Campaign> {
    const campaign = new Campaign(site, options);
    const { connections } = options;
    campaign.tokens = await Promise.all(
      Array.from({ length: connections }, (_, index) => tokenFor(`chaos-${index}`, 'operator')),
    );
    await stockShelves(site.origin, campaign.tokens[0] as string);
    return campaign;
  }

  async runRound(round: number): Promise<RoundReport> {
    const { site, ledger, options, tokens } = this;
    const { seed, connections, victims } = options;
    const since = performance.now();
    const random = new Random(seed, round, -1);
    const victim =
      victims === 'in turn' ? (VICTIMS[(round - 1) % VICTIMS.length] as Victim) : random.pick(victims);
    const [firstPlacement, firstBooking] = [ledger.placements.length, ledger.bookings.length];

    const load = new Load({ origin: site.origin, tokens, ledger, round, seed });
    this.load = load;
    const moment = connections * random.between(1, 12) + random.between(0, connections);
    await waitFor('the load', () => load.succeeded >= moment, LOAD_LIMIT_MS);
    // The condition comes true when a batch was answered; the crash shall meet the next one anywhere on its way.
    await pause(random.between(0, LONGEST_BATCH_MS));
    const killedAt = performance.now();
    await this.kill(victim, random);
    if (victim === 'postgres') await this.outlive(load);
    await load.stop();
    if (victim !== 'postgres') await this.restart();
    const downMs = performance.now() - killedAt;

    const placements = ledger.placements.slice(firstPlacement);
    const wishes = [...placements, ...ledger.bookings.slice(firstBooking)];
    const made = wishes.filter(({ state }) => state === 'made');
    const placed = made.filter(({ path }) => path === '/orders');
    const unanswered = wishes.filter(({ isInDoubt }) => isInDoubt);
    const retried = unanswered.filter(() => random.chance(SHARE_RETRIED));
    const hadBeenMade = await this.retry(retried);
    const replayed = await this.replay(
      Array.from({ length: made.length && REPLAYS }, () => random.pick(made)),
    );
    const problems = await compare(ledger, site);
    return {
      round,
      victim,
      seconds: (performance.now() - since) / 1000,
      placed: placed.length,
      reserved: made.length - placed.length,
      consumed: placements.filter(({ state, booking }) => state === 'made' && booking !== undefined).length,
      unanswered: unanswered.length,
      retried: retried.length,
      hadBeenMade,
      replayed,
      downMs,
      problems,
    };
  }

  /** How many changes the load of this round has made so far. */
  get succeeded(): number {
    return this.load?.succeeded ?? 0;
  }

  private async kill(victim: Victim, random: Random): Promise<void> {
    const killers = {
      node: [this.killServer],
      postgres: [this.killPostgres],
      both: [this.killServer, this.killPostgres],
    };
    const [first, second] = random.chance(0.5) ? killers[victim] : killers[victim].toReversed();
    const gapMs = random.between(0, 20);
    const killed = first?.();
    if (second !== undefined) {
      await pause(gapMs);
      await second();
    }
    await killed;
  }

  private readonly killServer = (): Promise<void> => this.site.killServer();
  private readonly killPostgres = (): Promise<void> => this.site.killPostgres();

  /** The server must come through the death of its database by itself, and serve as before. */
  private async outlive(load: Load): Promise<void> {
    await this.site.databaseReady();
    const enough = load.succeeded + this.options.connections;
    await waitFor('the server to serve again', () => load.succeeded >= enough, RECOVERY_LIMIT_MS);
  }

  private async restart(): Promise<void> {
    await this.site.databaseReady();
    await this.site.startServer();
  }

  /** @returns how many had been made before their answer was lost */
  private async retry(wishes: readonly Wish[]): Promise<number> {
    let hadBeenMade = 0;
    await this.withClients(wishes, async (client, wish) => {
      const answer = await attempt(client, wish);
      if (answer === undefined || note(wish, answer, this.ledger) === 'try again') {
        this.ledger.protests.push(`${wish.key} was not answered after the recovery: ${answer?.text}`);
      } else if (answer.headers['idempotent-replayed'] === 'true') hadBeenMade += 1;
    });
    return hadBeenMade;
  }

  /** What was answered is asked for once more: the same bytes must come, as a replay. */
  private async replay(wishes: readonly Wish[]): Promise<number> {
    await this.withClients(wishes, async (client, wish) => {
      const answer = await attempt(client, wish);
      const isReplay = answer?.status === 201 && answer.headers['idempotent-replayed'] === 'true';
      if (isReplay) this.ledger.make(wish, answer.text);
      else this.ledger.protests.push(`${wish.key} was not replayed: ${answer?.status} ${answer?.text}`);
    });
    return wishes.length;
  }

  private async withClients(
    wishes: readonly Wish[],
    work: (client: KeepAliveClient, wish: Wish) => Promise<void>,
  ): Promise<void> {
    const byClient = Map.groupBy(wishes, ({ client }) => client);
    await Promise.all(
      [...byClient].map(async ([index, theirs]) => {
        const client = new KeepAliveClient(this.site.origin, this.tokens[index] as string);
        for (const wish of theirs) await work(client, wish);
        client.close();
      }),
    );
  }
}

async function stockShelves(origin: string, token: string): Promise<void> {
  const post = async (path: string, body: object) => {
    const { status, text } = await request(origin, 'POST', `/api/v1${path}`, { token, body });
    if (status !== 201) throw new Error(`The shelves could not be filled: ${status} ${text}`);
  };
  await post('/warehouses', { code: 'north', name: 'Northern warehouse', priority: 200 });
  const products = [...CATALOGUE.skus, CATALOGUE.scarceSku, CATALOGUE.tightSku].map(async (sku, index) => {
    await post('/products', { sku, name: `Product ${sku}`, priceCents: 100 + 37 * index });
    if (sku === CATALOGUE.scarceSku) return;
    if (sku === CATALOGUE.tightSku) {
      await post('/stock-adjustments', { sku, quantityDelta: 60, reason: 'received' });
      return;
    }
    // Most of it in the north, so that orders are split between warehouses sooner or later.
    await post('/stock-adjustments', { sku, quantityDelta: 500, reason: 'received' });
    await post('/stock-adjustments', {
      sku,
      warehouse: 'north',
      quantityDelta: 1_000_000,
      reason: 'received',
    });
  });
  await Promise.all(products);
}
