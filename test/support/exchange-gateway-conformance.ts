import { getEventListeners } from 'node:events';

import type { ExchangeOrder, ExchangeOrderId } from '@daybook/exchange';

import { exchangeOrder, exchangeOrders } from './exchange-order.js';
import { describeReportStream, type StreamUnderTest } from './exchange-stream-conformance.js';
import { expectNothingMoreOpen, openResources, soon } from './open-resources.js';

/*
 * What every exchange gateway has to do, as tests: a spec calls describeExchangeGateway and gets them all.
 */

/**
 * What may become of a placement: the venue takes it, refuses it for good, takes it and its answer never arrives, refuses it and
 * that never arrives, or lets it be known that it has taken nothing.
 */
export type PlacementFate = 'accepted' | 'refused' | 'accepted unheard' | 'refused unheard' | 'not taken';

/** A gateway to a venue that a test has in hand. */
export interface GatewayUnderTest extends StreamUnderTest {
  /** Sees to it that placements end so from now on; cancels and questions go well. */
  arrange(fate: PlacementFate): Promise<void>;
  /** How many orders the venue has, taken or refused. */
  ordersAtVenue(): Promise<number>;
  /** Ends whatever was started around the gateway, itself included. */
  close(): Promise<void>;
}

/** A request that shall go well. */
const inTime = (): AbortSignal => AbortSignal.timeout(20_000);

/** Declares the tests that every {@link ExchangeGateway} has to pass; `make` is called for each of them. */
export function describeExchangeGateway(name: string, make: () => Promise<GatewayUnderTest>): void {
  describe(`${name}, as every exchange gateway,`, () => {
    let current: GatewayUnderTest;
    beforeEach(async () => {
      current = await make();
    });
    afterEach(() => current.close());

    describePlacing(() => current);
    describeRepetition(() => current);
    describeAbort(() => current);
    describeCancelling(() => current);
    describeReportStream(() => current);

    it('leaves nothing open once it is closed', async () => {
      const before = openResources();
      const own = await make();
      await own.gateway.place(exchangeOrder(), inTime());
      for await (const reports of own.gateway.reports(0, inTime())) if (reports.length > 0) break;
      await own.close();
      await expectNothingMoreOpen(before);
    });
  });
}

function describePlacing(made: () => GatewayUnderTest): void {
  it('places an order, which the venue then knows', async () => {
    const { gateway } = made();
    const order = exchangeOrder();
    expect(await gateway.find(order, inTime())).toEqual({ kind: 'unseen' });
    expect(await gateway.place(order, inTime())).toEqual({ kind: 'accepted' });
    expect(await gateway.find(order, inTime())).toEqual({ kind: 'found' });
    expect(await made().ordersAtVenue()).toBe(1);
  });

  it('places limit orders too', async () => {
    const order = exchangeOrder({ type: 'limit', side: 'sell', limitPriceCents: 12_345 });
    expect(await made().gateway.place(order, inTime())).toEqual({ kind: 'accepted' });
  });

  it.each([1, 9_007_199_254_740_991])('places a quantity of %d', async (quantity) => {
    expect(await made().gateway.place(exchangeOrder({ quantity }), inTime())).toEqual({ kind: 'accepted' });
  });

  it('tells a refusal and its reason, in one short line, and again when it is asked', async () => {
    const { gateway, arrange } = bound(made());
    await arrange('refused');
    const outcome = await gateway.place(exchangeOrder(), inTime());
    expect(outcome).toEqual({ kind: 'refused', reason: expect.stringMatching(/^\P{C}{1,300}$/u) });
    expect(await gateway.find(exchangeOrder(), inTime())).toEqual(outcome);
  });

  it('says that an order is certainly not there, when the venue says so', async () => {
    const { gateway, arrange, ordersAtVenue } = bound(made());
    await arrange('not taken');
    expect(await gateway.place(exchangeOrder(), inTime())).toMatchObject({ kind: 'unavailable' });
    await arrange('accepted');
    expect(await ordersAtVenue()).toBe(0);
    expect(await gateway.find(exchangeOrder(), inTime())).toEqual({ kind: 'unseen' });
  });

  it('places many orders at once and mixes none of them up', async () => {
    const { gateway, arrange, ordersAtVenue } = bound(made());
    const placeAll = (orders: readonly ExchangeOrder[]) =>
      Promise.all(orders.map((order) => gateway.place(order, inTime())));
    const orders = exchangeOrders(200);
    const kinds = (outcomes: readonly { kind: string }[]) => [...new Set(outcomes.map(({ kind }) => kind))];
    expect(kinds(await placeAll(orders.slice(0, 100)))).toEqual(['accepted']);
    await arrange('refused');
    expect(kinds(await placeAll(orders.slice(100)))).toEqual(['refused']);
    expect(await ordersAtVenue()).toBe(200);
    const found = await Promise.all(orders.map((order) => gateway.find(order, inTime())));
    expect(kinds(found.slice(0, 100))).toEqual(['found']);
    expect(kinds(found.slice(100))).toEqual(['refused']);
  });

  it('leaves the order it was given as it was', async () => {
    const order = Object.freeze(exchangeOrder());
    await made().gateway.place(order, inTime());
    expect(order).toEqual(exchangeOrder());
  });
}

function describeRepetition(made: () => GatewayUnderTest): void {
  it('places an order once, however often it is asked', async () => {
    const { gateway, ordersAtVenue } = bound(made());
    const placements = Array.from({ length: 10 }, () => gateway.place(exchangeOrder(), inTime()));
    const outcomes = await Promise.all(placements);
    expect(new Set(outcomes.map(({ kind }) => kind))).toEqual(new Set(['accepted']));
    expect(await ordersAtVenue()).toBe(1);
  });

  it('has the answer of the first time for an order that is placed again', async () => {
    const { gateway, arrange } = bound(made());
    const [taken, refused] = exchangeOrders(2) as [ExchangeOrder, ExchangeOrder];
    expect(await gateway.place(taken, inTime())).toEqual({ kind: 'accepted' });
    await arrange('refused');
    expect(await gateway.place(taken, inTime())).toEqual({ kind: 'accepted' });
    const refusal = await gateway.place(refused, inTime());
    await arrange('accepted');
    expect(await gateway.place(refused, inTime())).toEqual(refusal);
  });

  it("lets the venue refuse a customer's second order under the same name", async () => {
    const { gateway } = made();
    const named = exchangeOrder({ clientOrderId: 'mine' });
    const second = { ...named, id: 'X20261121-00002' as ExchangeOrderId };
    expect(await gateway.place(named, inTime())).toEqual({ kind: 'accepted' });
    expect(await gateway.place(second, inTime())).toMatchObject({ kind: 'refused' });
    const others = { ...named, id: 'X20261121-00003' as ExchangeOrderId, customerId: 'another' };
    expect(await gateway.place(others, inTime())).toEqual({ kind: 'accepted' });
  });
}

function describeAbort(made: () => GatewayUnderTest): void {
  it.each<[PlacementFate, string]>([
    ['accepted unheard', 'found'],
    ['refused unheard', 'refused'],
  ])('says that it does not know when the answer does not come (%s)', async (fate, finding) => {
    const { gateway, arrange, ordersAtVenue } = bound(made());
    await arrange(fate);
    const stop = new AbortController();
    const placement = gateway.place(exchangeOrder(), stop.signal);
    while ((await ordersAtVenue()) === 0);
    stop.abort();
    expect(await soon('the end of a placement', placement)).toMatchObject({ kind: 'unknown' });
    await arrange('accepted');
    expect(await gateway.find(exchangeOrder(), inTime())).toMatchObject({ kind: finding });
    const again = await gateway.place(exchangeOrder(), inTime());
    expect(again.kind).toBe(finding === 'found' ? 'accepted' : 'refused');
    expect(await ordersAtVenue()).toBe(1);
  });

  it('takes its hands off the signal when it is done', async () => {
    const { signal } = new AbortController();
    const { gateway } = made();
    await gateway.place(exchangeOrder(), signal);
    await gateway.find(exchangeOrder(), signal);
    await gateway.cancel(exchangeOrder(), signal);
    for await (const reports of gateway.reports(0, signal)) if (reports.length > 0) break;
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('sends nothing when it was told to stop before', async () => {
    const { gateway, ordersAtVenue } = bound(made());
    const stopped = AbortSignal.abort();
    expect(await gateway.place(exchangeOrder(), stopped)).toMatchObject({ kind: 'unavailable' });
    expect(await gateway.find(exchangeOrder(), stopped)).toMatchObject({ kind: 'unavailable' });
    expect(await gateway.cancel(exchangeOrder(), stopped)).toMatchObject({ kind: 'unavailable' });
    expect(await ordersAtVenue()).toBe(0);
  });
}

function describeCancelling(made: () => GatewayUnderTest): void {
  it('asks for a cancel, and the stream tells what comes of it', async () => {
    const { gateway } = made();
    const order = exchangeOrder();
    await gateway.place(order, inTime());
    expect(await gateway.cancel(order, inTime())).toEqual({ kind: 'requested' });
    const types: string[] = [];
    for await (const reports of gateway.reports(0, inTime())) {
      types.push(...reports.map(({ type }) => type));
      if (types.includes('cancelled')) break;
    }
    expect(types).toEqual(['new', 'cancelled']);
  });

  it('asks for a cancel that comes too late, and the stream tells that', async () => {
    const { gateway, fillOrders } = bound(made());
    await fillOrders();
    const order = exchangeOrder();
    await gateway.place(order, inTime());
    let filled = 0;
    const types: string[] = [];
    for await (const reports of gateway.reports(0, inTime())) {
      for (const { type, quantity = 0 } of reports) {
        types.push(type);
        filled += quantity;
        if (filled === order.quantity && type === 'trade')
          expect(await gateway.cancel(order, inTime())).toEqual({ kind: 'requested' });
      }
      if (types.includes('cancel_rejected')) break;
    }
    expect(types.slice(-2)).toEqual(['trade', 'cancel_rejected']);
  });

  it('says that the venue does not know an order that shall be cancelled', async () => {
    expect(await made().gateway.cancel(exchangeOrder(), inTime())).toEqual({ kind: 'unseen' });
  });
}

/** The functions of a gateway under test, to be called without it. */
function bound(made: GatewayUnderTest) {
  return {
    gateway: made.gateway,
    arrange: made.arrange.bind(made),
    ordersAtVenue: made.ordersAtVenue.bind(made),
    fillOrders: made.fillOrders.bind(made),
  };
}
