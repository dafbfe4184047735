import type { ExchangeGateway, ExchangeOrder, ExecutionReport } from '@daybook/exchange';

import { exchangeOrder, exchangeOrders } from './exchange-order.js';
import { expectNothingMoreOpen, openResources, soon } from './open-resources.js';
import { waitFor } from './wait-for.js';

/*
 * What the stream of every exchange gateway has to do: a part of describeExchangeGateway.
 */

/** A gateway to a venue whose stream a test has in hand. */
export interface StreamUnderTest {
  readonly gateway: ExchangeGateway;
  /** Sees to it that orders from now on are filled soon, in several trades; else they rest until they are cancelled. */
  fillOrders(): Promise<void>;
  /** Breaks the streams there are, as a failing network would. */
  breakStreams(): Promise<void>;
  /** How many read the stream. */
  readers(): Promise<number>;
}

const inTime = () => AbortSignal.timeout(20_000);

/** Reads until there are so many reports. */
async function read(gateway: ExchangeGateway, after: number, count: number): Promise<ExecutionReport[]> {
  const all: ExecutionReport[] = [];
  for await (const reports of gateway.reports(after, inTime())) {
    all.push(...reports);
    if (all.length >= count) return all;
  }
  throw new Error(`The stream ended with ${all.length} reports of ${count}`);
}

/** Places orders that are filled, and reads what there is about them, from the beginning to the last trade. */
async function tradedOrders(made: StreamUnderTest, count: number) {
  const { gateway } = made;
  await made.fillOrders();
  const orders = exchangeOrders(count);
  await Promise.all(orders.map((order) => gateway.place(order, inTime())));
  const all: ExecutionReport[] = [];
  let filled = 0;
  for await (const reports of gateway.reports(0, inTime())) {
    all.push(...reports);
    filled += reports.reduce((sum, { quantity = 0 }) => sum + quantity, 0);
    if (filled === orders.reduce((sum, { quantity }) => sum + quantity, 0)) break;
  }
  return { orders, reports: all };
}

export function describeReportStream(made: () => StreamUnderTest): void {
  describeReports(made);
  describeEnds(made);
}

function describeReports(made: () => StreamUnderTest): void {
  it('reports the life of every order, in order and without gaps', async () => {
    const { orders, reports } = await tradedOrders(made(), 20);
    expect(reports.map(({ sequence }) => sequence)).toEqual(reports.map((_, index) => index + 1));
    expect(new Set(reports.map(({ execId }) => execId)).size).toBe(reports.length);
    for (const { id, quantity } of orders) {
      const [first, ...trades] = reports.filter(({ orderRef }) => orderRef === id);
      expect(first?.type).toBe('new');
      expect(new Set(trades.map(({ type }) => type))).toEqual(new Set(['trade']));
      expect(trades.reduce((sum, trade) => sum + (trade.quantity ?? NaN), 0)).toBe(quantity);
      expect(trades.every(({ priceCents }) => Number.isSafeInteger(priceCents))).toBe(true);
      expect(trades.every(({ executedAt }) => !Number.isNaN(Date.parse(executedAt)))).toBe(true);
    }
  });

  it('begins behind the report it is told, with the same reports again', async () => {
    const { reports } = await tradedOrders(made(), 5);
    for (const after of [0, 1, reports.length - 1]) {
      expect(await read(made().gateway, after, reports.length - after)).toEqual(reports.slice(after));
    }
  });

  it('brings what comes while it is read', async () => {
    const { gateway } = made();
    const orders = exchangeOrders(5);
    const seen: string[] = [];
    await gateway.place(orders[0] as ExchangeOrder, inTime());
    for await (const reports of gateway.reports(0, inTime())) {
      if (reports.length === 0) continue;
      seen.push(...reports.map(({ orderRef }) => orderRef));
      const next = orders[seen.length];
      if (next === undefined) break;
      await gateway.place(next, inTime());
    }
    expect(seen).toEqual(orders.map(({ id }) => id));
  });

  it('tells that the connection stands before anything has come', async () => {
    const stop = new AbortController();
    const stream = made().gateway.reports(0, stop.signal)[Symbol.asyncIterator]();
    expect(await soon('the connection', stream.next())).toEqual({ done: false, value: [] });
    stop.abort();
    await stream.return?.();
  });

  it('serves several readers, each at its own place', async () => {
    const { gateway } = made();
    const { reports } = await tradedOrders(made(), 5);
    const readers = [0, 3, 0].map((after) => read(gateway, after, reports.length - after));
    expect(await Promise.all(readers)).toEqual([reports, reports.slice(3), reports]);
  });
}

function describeEnds(made: () => StreamUnderTest): void {
  it('ends without an error when it is told to, and leaves nothing open', async () => {
    const { gateway } = made();
    const before = openResources();
    const stop = new AbortController();
    const stream = gateway.reports(0, stop.signal)[Symbol.asyncIterator]();
    expect((await soon('the connection', stream.next())).value).toEqual([]);
    const next = stream.next();
    await waitFor('a reader', async () => (await made().readers()) > 0);
    stop.abort();
    expect(await soon('the end of the stream', next)).toEqual({ done: true, value: undefined });
    await expectNothingMoreOpen(before);
  });

  it('ends when its reader has enough', async () => {
    await tradedOrders(made(), 1);
    await waitFor('the reader to be gone', async () => (await made().readers()) === 0);
  });

  it('is empty when it was told to stop before', async () => {
    for await (const reports of made().gateway.reports(0, AbortSignal.abort()))
      expect(reports).toBe('never reached');
    expect(await made().readers()).toBe(0);
  });

  it('breaks with an error when the connection does, behind what has come', async () => {
    const { gateway } = made();
    await gateway.place(exchangeOrder(), inTime());
    const seen: ExecutionReport[] = [];
    const reading = (async () => {
      for await (const reports of gateway.reports(0, inTime())) {
        seen.push(...reports);
        if (seen.length > 0) await made().breakStreams();
      }
    })();
    await expect(reading).rejects.toThrow(/./);
    expect(seen.map(({ type }) => type)).toEqual(['new']);
  });
}
