import { setTimeout as pause } from 'node:timers/promises';

import { Random } from './random.js';
import type { Reply, Shop, Wish } from './shop.js';

export interface SaleOptions {
  readonly seed: number;
  readonly round: number;
  readonly buyers: number;
  /** At most as many as there are buyers: then every piece finds one. */
  readonly pieces: number;
}

const ARRIVAL_MS = 5;
const THOUGHT_MS = 8;
const CHANGES_OF_MIND = 2;
const CHANCES = { changesMind: 0.25, leavesForGood: 0.5, sendsTwice: 0.15, sendsAgain: 0.15 };

/**
 * Many buyers and few pieces of one product. Each buyer reserves one, thinks, and orders it; or gives it back, and
 * comes again or leaves for good. Some send a request twice, at once or after the answer, with the same key.
 *
 * The rule that makes "exactly as many orders as pieces" a fair verdict: of the buyers who want one to the end there
 * are always as many as pieces, and one who is refused tries again whenever somebody gave a piece back after it had
 * asked. It goes away only when nobody holds a piece or is asking for one. So a piece that is left over was refused
 * to somebody who should have had it.
 */
export class Sale {
  readonly sku: string;
  /** The orders that buyers were told of. */
  readonly orderIds: string[] = [];
  /** Answers that should never have been given, in words. */
  readonly protests: string[] = [];
  readonly latenciesMs: number[] = [];
  refused = 0;
  released = 0;
  repeated = 0;
  /** Buyers that hold a piece, or may hold one as far as anybody knows. */
  private engaged = 0;
  private spareBuyers: number;
  private change = Promise.withResolvers<void>();

  constructor(
    private readonly shop: Shop,
    private readonly options: SaleOptions,
  ) {
    const { round, buyers, pieces } = options;
    this.sku = `SALE-${round}`;
    this.spareBuyers = buyers - pieces;
  }

  async run(): Promise<void> {
    const { buyers, pieces } = this.options;
    await this.shop.stock(this.sku, pieces);
    await Promise.all(Array.from({ length: buyers }, (_, buyer) => this.buy(buyer)));
  }

  private async buy(buyer: number): Promise<void> {
    const { seed, round } = this.options;
    const random = new Random(seed, round, buyer);
    await pause(random.between(0, ARRIVAL_MS));
    let changesOfMind = 0;
    for (let visit = 1; ; visit += 1) {
      const releasesBefore = this.released;
      const wish = { buyer, sku: this.sku, key: `${round}/${buyer}/${visit}` };
      this.engaged += 1;
      const isWavering = changesOfMind < CHANGES_OF_MIND && random.chance(CHANCES.changesMind);
      const end = await this.visit(wish, isWavering, random);
      this.engaged -= 1;
      this.announceChange();
      if (end === 'has one' || end === 'failed') return;
      if (end === 'refused' && !(await this.mayTryAgain(releasesBefore))) return;
      if (end === 'gave it back') {
        changesOfMind += 1;
        if (this.leavesForGood(random)) return;
        await pause(random.between(0, THOUGHT_MS));
      }
    }
  }

  private async visit(
    wish: Omit<Wish, 'line'>,
    isWavering: boolean,
    random: Random,
  ): Promise<'has one' | 'gave it back' | 'refused' | 'failed'> {
    const { shop } = this;
    const held = await this.ask(random, { ...wish, key: `reserve ${wish.key}` }, (each) =>
      shop.reserve(each),
    );
    if (held.kind === 'sold out') {
      this.refused += 1;
      return 'refused';
    }
    if (held.kind === 'failed') return 'failed';
    await pause(random.between(0, THOUGHT_MS));
    const verb = isWavering ? 'release' : 'order';
    const ended = await this.ask(random, { ...wish, key: `${verb} ${wish.key}` }, (each) =>
      shop[verb](each, held.id),
    );
    if (ended.kind === 'sold out') this.protests.push(`${verb} ${wish.key}: sold out, though it was held`);
    if (ended.kind !== 'done') return 'failed';
    if (isWavering) this.released += 1;
    else this.orderIds.push(ended.id);
    return isWavering ? 'gave it back' : 'has one';
  }

  /** Sends a request, perhaps a second time with the same key: then both answers must say the same. */
  private async ask(
    random: Random,
    wish: Omit<Wish, 'line'>,
    send: (wish: Wish) => Promise<Reply>,
  ): Promise<Reply> {
    const isTwice = random.chance(CHANCES.sendsTwice);
    const isAgain = !isTwice && random.chance(CHANCES.sendsAgain);
    const firstLine = random.between(0, 1);
    const request = async (line: number) => {
      const since = performance.now();
      const reply = await send({ ...wish, line });
      this.latenciesMs.push(performance.now() - since);
      if (reply.kind === 'failed') this.protests.push(`${wish.key}: ${reply.words}`);
      return reply;
    };
    const first = request(firstLine);
    if (!isTwice && !isAgain) return first;
    if (isAgain) await first;
    this.repeated += 1;
    const second = await request(1 - firstLine);
    return this.agree(wish.key, await first, second);
  }

  /** A refusal changes nothing and is not remembered, so its repetition may have better luck. */
  private agree(key: string, ...replies: readonly [Reply, Reply]): Reply {
    const ids = replies.flatMap((reply) => (reply.kind === 'done' ? [reply.id] : []));
    if (new Set(ids).size > 1) this.protests.push(`${key} was answered with ${ids.join(' and with ')}`);
    return replies.find(({ kind }) => kind === 'done') ?? replies[0];
  }

  /** @returns whether a piece was given back since; else, once nobody can give one back any more, false */
  private async mayTryAgain(releasesBefore: number): Promise<boolean> {
    while (this.released === releasesBefore && this.engaged > 0) await this.change.promise;
    return this.released > releasesBefore;
  }

  private leavesForGood(random: Random): boolean {
    if (!random.chance(CHANCES.leavesForGood) || this.spareBuyers === 0) return false;
    this.spareBuyers -= 1;
    return true;
  }

  private announceChange(): void {
    this.change.resolve();
    this.change = Promise.withResolvers();
  }
}
