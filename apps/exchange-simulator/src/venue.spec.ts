import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import * as fc from 'fast-check';

import { type Behaviour, NORMAL_BEHAVIOUR } from './behaviour.js';
import { planFills } from './matching.js';
import { randomFrom } from './random.js';
import { ReportLog, type SentReport } from './report-log.js';
import type { Timing } from './timing.js';
import { Venue } from './venue.js';
import { HistoryFile } from './venue-history.js';
import type { OrderRequest } from './venue-order.js';

/** A clock that goes when it is told to. */
class HandTiming implements Timing {
  private ms = Date.UTC(2026, 10, 21, 9, 30);
  private due: { readonly at: number; readonly work: () => void }[] = [];

  now(): number {
    return this.ms;
  }

  after(ms: number, work: () => void): () => void {
    const entry = { at: this.ms + ms, work };
    this.due.push(entry);
    return () => (this.due = this.due.filter((each) => each !== entry));
  }

  /** Lets so much time pass. */
  pass(ms: number): void {
    const until = this.ms + ms;
    for (;;) {
      const next = this.due.toSorted((a, b) => a.at - b.at).find(({ at }) => at <= until);
      if (next === undefined) break;
      this.due = this.due.filter((each) => each !== next);
      this.ms = next.at;
      next.work();
    }
    this.ms = until;
  }
}

function marketOf(behaviour: Partial<Behaviour> = {}, seed = 1, history?: HistoryFile) {
  const timing = new HandTiming();
  const log = new ReportLog(`S${seed}-`, 100_000);
  const venue = new Venue({ behaviour: { ...NORMAL_BEHAVIOUR, ...behaviour }, seed, log, timing, history });
  const reports = () =>
    Array.from({ length: log.last }, (_, index) => JSON.parse(log.json(index + 1)) as SentReport);
  return { timing, venue, reports, types: () => reports().map(({ type }) => type) };
}

const order = (changes: Partial<OrderRequest> = {}): OrderRequest => ({
  clOrdId: 'a-1',
  account: 'account',
  instrument: 'DE0007164600',
  side: 'buy',
  type: 'market',
  quantity: 100,
  ...changes,
});
const limit = (limitPriceCents: number, side: 'buy' | 'sell' = 'buy') =>
  order({ type: 'limit', side, limitPriceCents });
const PRICE = { prices: { DE0007164600: 1_000 } };
const HOUR = 3_600_000;

describe('an order', () => {
  it('is filled in parts over time, which add up', () => {
    const { venue, timing, reports } = marketOf({ fillsMin: 4, fillsMax: 4 });
    const placed = venue.place(order());
    expect(placed.status).toBe('new');
    timing.pass(4_000);
    expect(placed).toMatchObject({ status: 'filled', cumQuantity: 100 });
    const [first, ...trades] = reports();
    expect(first).toMatchObject({ type: 'new', orderRef: 'a-1', executedAt: '2026-11-21T09:30:00.000Z' });
    expect(trades).toHaveLength(4);
    const sum = (value: (trade: SentReport) => number) =>
      trades.reduce((all, trade) => all + value(trade), 0);
    expect(sum(({ quantity }) => quantity ?? NaN)).toBe(100);
    expect(placed.tradedCents).toBe(
      BigInt(sum(({ quantity, priceCents }) => (quantity ?? NaN) * (priceCents ?? NaN))),
    );
  });

  it('is split into as many parts as are wanted, all of them whole', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 0, max: 50 }),
        fc.string(),
        (quantity, fillsMin, more, seed) => {
          const behaviour = { ...NORMAL_BEHAVIOUR, fillsMin, fillsMax: fillsMin + more };
          const parts = planFills(quantity, behaviour, randomFrom(seed));
          expect(parts.every((part) => Number.isSafeInteger(part) && part > 0)).toBe(true);
          expect(parts.length).toBeLessThanOrEqual(fillsMin + more);
          expect(parts.length).toBeGreaterThanOrEqual(Math.min(quantity, fillsMin));
          expect(parts.reduce((all, part) => all + BigInt(part), 0n)).toBe(BigInt(quantity));
        },
      ),
      { seed: 20261121 },
    );
  });

  it.each([
    [1_000, 'buy', 'filled'],
    [999, 'buy', 'new'],
    [1_000, 'sell', 'filled'],
    [1_001, 'sell', 'new'],
  ] as const)('with a limit of %d to %s, at a price of 1000, is %s', (price, side, status) => {
    const { venue, timing, reports } = marketOf(PRICE);
    const placed = venue.place(limit(price, side));
    timing.pass(HOUR);
    expect(placed.status).toBe(status);
    // Never beyond its limit.
    for (const { type, priceCents } of reports()) if (type === 'trade') expect(priceCents).toBe(1_000);
  });

  it('rests until the price comes to it', () => {
    const { venue, timing } = marketOf(PRICE);
    const placed = venue.place(limit(900));
    timing.pass(HOUR);
    venue.behaviour = { ...venue.behaviour, prices: { DE0007164600: 900 } };
    timing.pass(HOUR);
    expect(placed.status).toBe('filled');
  });

  it('that rests expires, if orders do', () => {
    const { venue, timing, types } = marketOf({ ...PRICE, expireAfterMs: 1_000 });
    const placed = venue.place(limit(900));
    timing.pass(999);
    expect(placed.status).toBe('new');
    timing.pass(1);
    expect(placed.status).toBe('expired');
    expect(types()).toEqual(['new', 'expired']);
  });

  it('may be taken, and rejected later', () => {
    const { venue, timing, types } = marketOf({ lateRefusalPercent: 100 });
    const placed = venue.place(order());
    expect(placed.refusal).toBeUndefined();
    timing.pass(HOUR);
    expect(placed).toMatchObject({ status: 'rejected', reason: expect.any(String) });
    expect(types()).toEqual(['new', 'rejected']);
    expect(venue.place(order()).refusal).toBeUndefined();
  });

  it('that comes again is the same, and has the same answer', () => {
    const { venue, types } = marketOf({ refusalPercent: 100 });
    const refused = venue.place(order());
    venue.behaviour = NORMAL_BEHAVIOUR;
    expect(venue.place(order({ quantity: 7 }))).toBe(refused);
    expect(refused.refusal).toMatch(/^The instrument /);
    const taken = venue.place(order({ clOrdId: 'a-2' }));
    venue.behaviour = { ...NORMAL_BEHAVIOUR, refusalPercent: 100 };
    expect(venue.place(order({ clOrdId: 'a-2' }))).toBe(taken);
    expect(taken.refusal).toBeUndefined();
    expect(types()).toEqual(['new']);
  });

  it('under a name that the account has used is refused', () => {
    const { venue } = marketOf();
    venue.place(order({ clientOrderId: 'mine' }));
    const second = venue.place(order({ clOrdId: 'a-2', clientOrderId: 'mine' }));
    expect(second.refusal).toBe('The account has an order mine already');
    const another = order({ clOrdId: 'a-3', clientOrderId: 'mine', account: 'another' });
    expect(venue.place(another).refusal).toBeUndefined();
  });
});

describe('a cancel', () => {
  const SLOW = { cancelDelayMinMs: 500, cancelDelayMaxMs: 500 };

  it('ends an order that is open, with what is filled by then', () => {
    const { venue, timing, types } = marketOf({
      ...SLOW,
      fillsMin: 2,
      fillsMax: 2,
      fillPaceMinMs: 400,
      fillPaceMaxMs: 400,
    });
    const placed = venue.place(order());
    expect(venue.cancel('a-1')).toBe(true);
    timing.pass(HOUR);
    expect(types()).toEqual(['new', 'trade', 'cancelled']);
    expect(placed.cumQuantity).toBeGreaterThan(0);
    expect(placed.cumQuantity).toBeLessThan(100);
  });

  it('loses against a fill', () => {
    const { venue, timing, types } = marketOf({
      ...SLOW,
      fillsMax: 1,
      fillPaceMinMs: 400,
      fillPaceMaxMs: 400,
    });
    venue.place(order());
    venue.cancel('a-1');
    timing.pass(HOUR);
    expect(types()).toEqual(['new', 'trade', 'cancel_rejected']);
  });

  it('is one, however often it is asked for; and too late when the order has ended', () => {
    const { venue, timing, types } = marketOf({ ...SLOW, ...PRICE });
    venue.place(limit(900));
    for (let times = 0; times < 3; times += 1) venue.cancel('a-1');
    timing.pass(HOUR);
    expect(types()).toEqual(['new', 'cancelled']);
    venue.cancel('a-1');
    expect(types()).toEqual(['new', 'cancelled', 'cancel_rejected']);
  });

  it('of an order that nobody has placed is none', () => {
    expect(marketOf().venue.cancel('a-1')).toBe(false);
  });
});

describe('an order that was filled in part when the venue ended', () => {
  it('is filled to its end, and no further, when it begins again', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'exchange-simulator-'));
    const path = join(folder, 'state');
    const slow = { fillsMin: 2, fillsMax: 2, fillPaceMinMs: 400, fillPaceMaxMs: 400 };
    const before = new HistoryFile(path);
    const first = marketOf(slow, 1, before);
    const placed = first.venue.place(order());
    first.timing.pass(400);
    expect(placed.status).toBe('partially_filled');
    before.close();

    const history = new HistoryFile(path);
    const second = marketOf(slow, 1, history);
    second.timing.pass(HOUR);
    const again = second.venue.find('a-1');
    expect(again).toMatchObject({ status: 'filled', cumQuantity: 100 });
    const trades = second.reports().filter(({ type }) => type === 'trade');
    expect(trades.reduce((sum, { quantity = NaN }) => sum + quantity, 0)).toBe(100);
    expect(second.reports().slice(0, 2)).toEqual(first.reports());
    history.close();
    await rm(folder, { recursive: true });
  });
});

describe('what is reported', () => {
  const many = Array.from({ length: 300 }, (_, index) => order({ clOrdId: `a-${index}`, quantity: 40 }));

  function trade(behaviour: Partial<Behaviour>, orders = many, seed = 1) {
    const market = marketOf({ fillsMin: 2, ...behaviour }, seed);
    for (const each of orders) market.venue.place(each);
    market.timing.pass(HOUR);
    return { ...market, sent: market.reports() };
  }

  it('has sequence numbers without gaps, and an ExecID of its own each', () => {
    const { sent } = trade({});
    expect(sent.map(({ sequence }) => sequence)).toEqual(sent.map((_, index) => index + 1));
    expect(new Set(sent.map(({ execId }) => execId)).size).toBe(sent.length);
  });

  it('is the same with the same seed, and another with another', () => {
    const faults = { overfillPercent: 10, unknownOrderPercent: 5, repeatPercent: 5, refusalPercent: 10 };
    expect(trade(faults).sent).toEqual(trade(faults).sent);
    expect(trade(faults, many, 2).sent).not.toEqual(trade(faults).sent);
  });

  it('of one order does not depend on the others, nor on when they came', () => {
    const ofOne = ({ sent }: ReturnType<typeof trade>) =>
      sent
        .filter(({ orderRef }) => orderRef === 'a-7')
        .map(({ quantity, priceCents, executedAt }) => [quantity, priceCents, executedAt]);
    expect(ofOne(trade({}, many.toReversed()))).toEqual(ofOne(trade({})));
    expect(ofOne(trade({}, [order({ clOrdId: 'a-7', quantity: 40 })]))).toEqual(ofOne(trade({})));
  });

  it('may be one trade too many, which the order knows nothing of', () => {
    const { sent, venue } = trade({ overfillPercent: 100, fillsMax: 2 });
    for (const { clOrdId } of many) {
      const trades = sent.filter(({ orderRef, type }) => orderRef === clOrdId && type === 'trade');
      expect(trades).toHaveLength(3);
      expect(venue.find(clOrdId)).toMatchObject({ status: 'filled', cumQuantity: 40 });
    }
  });

  it('may be of orders that nobody has placed', () => {
    const { sent, venue } = trade({ unknownOrderPercent: 20 });
    const strangers = sent.filter(({ orderRef }) => venue.find(orderRef) === undefined);
    expect(strangers.length).toBeGreaterThan(20);
    expect(strangers[0]).toMatchObject({ orderRef: 'STRANGER-1', type: 'trade' });
  });

  it('may be reported again elsewhere in the stream, by the same ExecID', () => {
    const { sent } = trade({ repeatPercent: 20 });
    const first = new Map<string, SentReport>();
    let repeated = 0;
    for (const report of sent) {
      const before = first.get(report.execId);
      if (before === undefined) first.set(report.execId, report);
      else {
        repeated += 1;
        expect(report).toEqual({ ...before, sequence: report.sequence });
      }
    }
    expect(repeated).toBeGreaterThan(20);
    expect(sent.map(({ sequence }) => sequence)).toEqual(sent.map((_, index) => index + 1));
  });
});

describe('reports that are kept', () => {
  it('are forgotten from the oldest on, and never fewer than they should be', () => {
    const log = new ReportLog('E', 20_000);
    for (let sequence = 1; sequence <= 100_000; sequence += 1) {
      const reason = sequence % 1_000 === 0 ? `no. ${sequence}` : undefined;
      log.append({ orderRef: 'a', type: 'cancelled', executedAtMs: 0, ...(reason && { reason }) });
      if (sequence % 777 === 0) expect(log.forgotten).toBeLessThanOrEqual(Math.max(0, sequence - 20_000));
    }
    expect(log.last).toBe(100_000);
    expect(log.forgotten).toBeGreaterThan(70_000);
    expect(() => log.json(log.forgotten)).toThrow(/^No report \d+ is kept$/);
    expect(JSON.parse(log.json(log.forgotten + 1))).toMatchObject({ sequence: log.forgotten + 1 });
    expect(JSON.parse(log.json(100_000))).toMatchObject({ execId: 'E100000', reason: 'no. 100000' });
    expect(() => log.json(100_001)).toThrow(/^No report/);
  });
});
