import { once } from 'node:events';
import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { WebSocket } from 'ws';

import { type OwnVenue, startVenue, type VenueOptions } from '../../../test/support/exchange-simulator.js';
import { waitFor } from '../../../test/support/wait-for.js';
import type { SentReport } from './report-log.js';

let venue: OwnVenue;
const venues: OwnVenue[] = [];
afterEach(async () => {
  await Promise.all(venues.splice(0).map((each) => each.stop()));
});

async function start(options: VenueOptions = {}): Promise<OwnVenue> {
  venue = await startVenue(options);
  venues.push(venue);
  return venue;
}

const order = (clOrdId: string, changes: object = {}) => ({
  clOrdId,
  account: 'account',
  instrument: 'DE0007164600',
  side: 'buy',
  type: 'market',
  quantity: 100,
  ...changes,
});
const ids = (count: number) => Array.from({ length: count }, (_, index) => `a-${index}`);

interface Answered {
  readonly status: number;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly body: any;
}

async function ask(method: string, path: string, body?: unknown, headers = {}): Promise<Answered> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const response = await fetch(venue.url + path, {
    method,
    headers,
    ...(text !== undefined && { body: text }),
  });
  const { status } = response;
  return { status, body: await response.json() };
}
const place = (clOrdId: string, changes?: object) => ask('POST', '/orders', order(clOrdId, changes));

/** Reads as one that knows its trade: from the last report that joined, again and again, until it has so many. */
async function readJoined(count: number): Promise<{ joined: SentReport[]; connections: number }> {
  const joined: SentReport[] = [];
  let connections = 0;
  while (joined.length < count) {
    connections += 1;
    const early = new Map<number, SentReport>();
    const socket = new WebSocket(`${venue.url.replace('http', 'ws')}/executions?after=${joined.length}`);
    const done = new Promise<void>((resolve) => socket.on('close', resolve).on('error', resolve));
    socket.on('message', (data: Buffer) => {
      for (const report of JSON.parse(data.toString()) as SentReport[]) early.set(report.sequence, report);
      for (let next; (next = early.get(joined.length + 1)) !== undefined;) joined.push(next);
      // A gap that nothing will fill: ask again.
      if (joined.length >= count || early.size > joined.length + 200) socket.terminate();
      if (Math.max(...early.keys()) - joined.length > 200) socket.terminate();
    });
    await done;
  }
  return { joined, connections };
}

describe('a request', () => {
  it('may be refused, counted, and refused again when it is repeated', async () => {
    await start({ behaviour: { refusalPercent: 100 } });
    const refusal = await place('a-1');
    expect(refusal).toEqual({ status: 422, body: { code: 'refused', reason: expect.any(String) } });
    await venue.behave({ refusalPercent: 0 });
    expect(await place('a-1')).toEqual(refusal);
    expect(await venue.counts()).toMatchObject({
      placements: 2,
      accepted: 0,
      refused: 1,
      repeated: 1,
      placed: { 'a-1': 2 },
    });
    expect(await ask('GET', '/orders/a-1')).toMatchObject({ status: 200, body: { status: 'rejected' } });
  });

  it('may fail, and then has had no effect', async () => {
    await start({ behaviour: { failurePercent: 100 } });
    expect(await place('a-1')).toMatchObject({ status: 503, body: { code: 'not_taken' } });
    expect(await ask('DELETE', '/orders/a-1')).toMatchObject({ status: 503 });
    await venue.behave({ failurePercent: 0 });
    const unseen = { status: 404, body: { code: 'unseen', clOrdId: 'a-1' } };
    expect(await ask('GET', '/orders/a-1')).toMatchObject(unseen);
    expect(await ask('DELETE', '/orders/a-1')).toMatchObject(unseen);
    expect(await venue.counts()).toMatchObject({ placements: 1, failed: 2, placed: {} });
  });

  it('may have its effect and no answer: some hang, some are cut', async () => {
    await start({ behaviour: { lostAnswerPercent: 100 } });
    const stop = new AbortController();
    let cut = 0;
    const placements = ids(40).map((id) =>
      fetch(`${venue.url}/orders`, {
        method: 'POST',
        body: JSON.stringify(order(id)),
        signal: stop.signal,
      }).catch(() => (stop.signal.aborted ? undefined : (cut += 1))),
    );
    await waitFor('all of them', async () => (await venue.counts()).unanswered === 40);
    await waitFor('some to be cut', () => cut > 5);
    stop.abort();
    await Promise.all(placements);
    expect(cut).toBeLessThan(35);
    expect(await venue.orders()).toHaveLength(40);
  });

  it('fares the same with the same seed, whenever it comes', async () => {
    const shaky = { failurePercent: 30, refusalPercent: 30 };
    const fates = async (seed: number, wanted: string[]) => {
      await start({ seed, behaviour: shaky });
      const answers = await Promise.all(wanted.map(async (id) => [id, (await place(id)).status] as const));
      return Object.fromEntries(answers);
    };
    const first = await fates(1, ids(60));
    expect(new Set(Object.values(first))).toEqual(new Set([201, 422, 503]));
    expect(await fates(1, ids(60).toReversed())).toEqual(first);
    expect(await fates(2, ids(60))).not.toEqual(first);
  });

  it('takes effect in the middle of its time: reports may come before the answer', async () => {
    await start({ behaviour: { latencyMinMs: 200, latencyMaxMs: 200 } });
    let isAnswered = false;
    const placement = place('a-1').then(() => (isAnswered = true));
    await waitFor('a report', async () => (await venue.counts()).reports > 0);
    expect(isAnswered).toBe(false);
    await placement;
  });

  it.each([
    ['no JSON', '{', 'The body is not JSON'],
    ['a list', [], 'The body must be a JSON object'],
  ])('is answered 400 when it cannot be read: %s', async (_, body, error) => {
    await start();
    expect(await ask('POST', '/orders', body)).toEqual({ status: 400, body: { error } });
  });

  it.each([
    [
      'no ClOrdID',
      order('a-1', { clOrdId: undefined }),
      'clOrdId must be of 1 to 128 letters, digits and _.:@-',
    ],
    ['a ClOrdID to escape', order('a"1'), 'clOrdId must be of 1 to 128 letters, digits and _.:@-'],
    ['half a share', order('a-1', { quantity: 0.5 }), 'quantity must be a whole number, 1 or more'],
    [
      'no side and no type',
      order('a-1', { side: 'up', type: 'x' }),
      'side must be buy or sell\ntype must be market or limit',
    ],
    ['a limit without a price', order('a-1', { type: 'limit' }), /^limitPriceCents must be/],
    ['a market order with a price', order('a-1', { limitPriceCents: 1 }), /^limitPriceCents must be/],
  ])('is refused when it is none: %s', async (_, body, problem) => {
    await start();
    const { status, body: answer } = await ask('POST', '/orders', body);
    expect(status).toBe(400);
    expect(answer).toEqual({ code: 'refused', reason: expect.stringMatching(problem) });
    expect(await venue.orders()).toEqual([]);
  });

  it('of a web page is refused, whatever it wants', async () => {
    await start();
    expect(await ask('POST', '/orders', order('a-1'), { origin: 'http://localhost' })).toMatchObject({
      status: 403,
    });
  });

  it('wants the token, if there is one', async () => {
    await start({ token: 'open sesame' });
    expect(await place('a-1')).toMatchObject({ status: 401, body: { code: 'not_taken' } });
    const headers = { authorization: 'Bearer open sesame' };
    expect(await ask('POST', '/orders', order('a-1'), headers)).toMatchObject({ status: 201 });
  });
});

describe('the stream', () => {
  it.each([
    ['reports that are forgotten', 0, 410, 'Reports up to 8192 are not kept any more; after=0'],
    ['reports that there are not yet', 20_001, 416, 'There are 20000 reports; after=20001'],
    ['no number', 'x', 400, 'after must be a whole number'],
  ])('is refused to who asks for %s', async (_, after, status, words) => {
    await start({ keepReports: 10_000 });
    await venue.flood({
      orders: { first: 'b-1', count: 200, quantity: 100 },
      fillsPerOrder: 100,
      ratePerSecond: 1_000_000,
    });
    await venue.floodEnd();
    const socket = new WebSocket(`${venue.url.replace('http', 'ws')}/executions?after=${after}`);
    const [, response] = await once(
      socket.on('error', () => undefined),
      'unexpected-response',
    );
    expect(response.statusCode).toBe(status);
    expect((await response.toArray()).join('')).toBe(words);
  });

  it('brings what was to come behind others that do not come', async () => {
    await start({ behaviour: { reorderPercent: 100, reorderWindow: 10_000 } });
    await place('a-1');
    await waitFor('all to be traded', async () => (await venue.counts()).open === 0);
    const { reports } = await venue.counts();
    expect((await readJoined(reports)).joined).toHaveLength(reports);
  });

  it('waits for a reader, until what it has not read is forgotten', async () => {
    await start({ keepReports: 10_000 });
    const socket = new WebSocket(`${venue.url.replace('http', 'ws')}/executions`);
    let sequence = 0;
    socket.on('message', (data: Buffer) => {
      for (const report of JSON.parse(data.toString()) as SentReport[])
        sequence = report.sequence === sequence + 1 ? report.sequence : NaN;
    });
    await once(socket, 'open');
    socket.pause();
    await venue.flood({
      orders: { first: 'b-0001', count: 2_000, quantity: 100 },
      fillsPerOrder: 100,
      ratePerSecond: 1_000_000,
    });
    await venue.floodEnd();
    socket.resume();
    const [code] = (await once(socket, 'close')) as [number];
    expect(code).toBe(1008);
    expect(sequence).toBeGreaterThan(0);
    expect(sequence).toBeLessThan(190_000);
  });

  it('comes to an end for a reader that joins and joins again, whatever goes wrong', async () => {
    await start({
      behaviour: {
        duplicatePercent: 5,
        reorderPercent: 5,
        gapPercent: 0.1,
        disconnectPercent: 0.1,
        overfillPercent: 10,
        unknownOrderPercent: 1,
        repeatPercent: 1,
      },
    });
    await venue.flood({
      orders: { first: 'b-001', count: 100, quantity: 1_000 },
      fillsPerOrder: 100,
      ratePerSecond: 20_000,
    });
    const { joined, connections } = await readJoined(10_000);
    expect(joined.map(({ sequence }) => sequence)).toEqual(joined.map((_, index) => index + 1));
    expect(connections).toBeGreaterThan(1);
    const { reports } = await waitFor('the end', async () => {
      const { state } = await venue.floodProgress();
      return state === 'done' && (await venue.counts());
    });
    expect(reports).toBeGreaterThan(10_000);
  });
});

describe('a flood', () => {
  it('fills every order by equal trades, to an end that can be foretold', async () => {
    await start();
    const progress = await venue.flood({
      orders: { first: 'X20261121-00098', count: 7, quantity: 60 },
      fillsPerOrder: 12,
      priceCents: 990,
      concurrentOrders: 3,
      acknowledge: true,
      ratePerSecond: 100_000,
    });
    expect(progress).toMatchObject({ orders: 7, reports: 7 * 13, state: 'running' });
    expect(await venue.floodEnd()).toMatchObject({ reported: 7 * 13, state: 'done' });
    const orders = await venue.orders();
    expect(orders.map(({ clOrdId }) => clOrdId).slice(1, 4)).toEqual([
      'X20261121-00099',
      'X20261121-00100',
      'X20261121-00101',
    ]);
    const end = { status: 'filled', cumQuantity: 60, tradedCents: String(60 * (990 + 11 / 2)) };
    for (const each of orders) expect(each).toMatchObject(end);
    const { joined } = await readJoined(7 * 13);
    for (const { clOrdId } of orders) {
      const [first, ...trades] = joined.filter(({ orderRef }) => orderRef === clOrdId);
      expect(first?.type).toBe('new');
      expect(trades.map(({ quantity, priceCents }) => [quantity, priceCents])).toEqual(
        Array.from({ length: 12 }, (_, fill) => [5, 990 + fill]),
      );
    }
    const group = joined.slice(0, 3 * 13).map(({ orderRef }) => orderRef);
    expect(new Set(group).size).toBe(3);
  });

  it('trades orders that were placed, and only those that were not traded', async () => {
    await start({ behaviour: { fillPaceMinMs: 3_600_000, fillPaceMaxMs: 3_600_000 } });
    await place('a-1');
    const wishes = { orders: [{ clOrdId: 'a-1', quantity: 100 }], fillsPerOrder: 2, ratePerSecond: 1_000 };
    await venue.flood(wishes);
    expect(await venue.floodEnd()).toMatchObject({ state: 'done', reports: 2 });
    expect(await ask('GET', '/orders/a-1')).toMatchObject({ body: { status: 'filled' } });
    expect(await ask('POST', '/simulator/flood', wishes)).toMatchObject({ status: 409 });
  });

  it('is one at a time, and can be stopped', async () => {
    await start();
    const wishes = { orders: { first: 'b-1', count: 10, quantity: 10 }, fillsPerOrder: 10, ratePerSecond: 1 };
    await venue.flood(wishes);
    expect(await ask('POST', '/simulator/flood', wishes)).toMatchObject({ status: 409 });
    expect(await ask('DELETE', '/simulator/flood')).toMatchObject({ body: { state: 'stopped' } });
  });

  it.each([
    [{}, /^orders must be a list/],
    [{ orders: { first: 'b', count: 1, quantity: 10 } }, /^orders must be a list/],
    [{ orders: [{ clOrdId: 'a"' }] }, /^orders must be a list/],
    [
      { orders: { first: 'b-1', count: 1, quantity: 11 } },
      'each quantity must be a multiple of fillsPerOrder',
    ],
    [{ orders: { first: 'b-1', count: 1, quantity: 10 }, ratePerSecond: 0 }, /^ratePerSecond must/],
    [
      {
        orders: [
          { clOrdId: 'a', quantity: 10 },
          { clOrdId: 'a', quantity: 10 },
        ],
      },
      'each order must come once',
    ],
  ])('is refused when it is none: %j', async (wishes, problem) => {
    await start();
    const { status, body } = await ask('POST', '/simulator/flood', wishes);
    expect(status).toBe(400);
    expect(body.error).toMatch(problem);
  });
});

describe('a venue with a state file', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'exchange-simulator-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('goes on from where it was, even when it was killed in the middle of a word', async () => {
    const stateFile = join(folder, 'below/state.ndjson');
    const behaviour = { overfillPercent: 50, repeatPercent: 20, unknownOrderPercent: 10, refusalPercent: 20 };
    await start({ stateFile, behaviour });
    await Promise.all(ids(50).map((id) => place(id, { clientOrderId: id })));
    const settled = async () => (await venue.counts()).open === 0;
    await waitFor('all to be traded', settled);
    await venue.behave({
      fillPaceMinMs: 3_600_000,
      fillPaceMaxMs: 3_600_000,
      refusalPercent: 0,
      cancelDelayMaxMs: 3_600_000,
      cancelDelayMinMs: 3_600_000,
    });
    await place('open-1');
    await place('open-2');
    await ask('DELETE', '/orders/open-2');
    const [orders, { reports }] = [await venue.orders(), await venue.counts()];
    const { joined } = await readJoined(reports);
    await venue.stop();
    venues.length = 0;
    await appendFile(stateFile, '{"report":{"sequence":99');

    await start({ stateFile, behaviour: { fillPaceMinMs: 3_600_000, fillPaceMaxMs: 3_600_000 } });
    expect((await venue.orders()).slice(0, 51)).toEqual(orders.slice(0, 51));
    expect((await readJoined(reports)).joined.slice(0, reports)).toEqual(joined);
    expect(await place('again', { clientOrderId: 'a-1' })).toMatchObject({ status: 422 });
    await waitFor('the cancel', async () => (await ask('GET', '/orders/open-2')).body.status === 'cancelled');
    expect(await ask('GET', '/orders/open-1')).toMatchObject({ body: { status: 'new' } });
    expect((await readJoined(reports + 1)).joined.at(-1)).toMatchObject({
      type: 'cancelled',
      sequence: reports + 1,
    });
    await venue.stop();
    venues.length = 0;

    // The ExecIDs of what was reported stay, with another seed too.
    await start({ stateFile, seed: 2 });
    expect((await readJoined(reports)).joined.slice(0, reports)).toEqual(joined);
    await waitFor(
      'the last to be traded',
      async () => (await ask('GET', '/orders/open-1')).body.status === 'filled',
    );
  });

  it('is not filled by a flood', async () => {
    await start({ stateFile: join(folder, 'state') });
    expect(await ask('POST', '/simulator/flood', { orders: [{ clOrdId: 'a', quantity: 10 }] })).toEqual({
      status: 409,
      body: { error: 'No flood into a state file: start a simulator without one' },
    });
  });
});

describe('its behaviour', () => {
  it('is changed by what is named, or not at all', async () => {
    await start();
    await venue.behave({ latencyMaxMs: 5, prices: { DE0007164600: 7 } });
    const before = await ask('GET', '/simulator/behaviour');
    expect(before.body).toMatchObject({ latencyMaxMs: 5, latencyMinMs: 0, prices: { DE0007164600: 7 } });
    const bad = { latencyMinMs: 6, gapPercent: -1, gapLength: '7', speed: 1, prices: { a: 0 } };
    expect(await ask('PUT', '/simulator/behaviour', bad)).toEqual({
      status: 400,
      body: {
        error:
          'gapPercent must be a number from 0 to 100\ngapLength must be a whole number from 1 to 10000\n' +
          'speed is not a setting\nprices must be an object of whole cents, 1 or more\n' +
          'latencyMinMs must not be more than latencyMaxMs',
      },
    });
    expect(await ask('GET', '/simulator/behaviour')).toEqual(before);
    expect(await ask('GET', '/nowhere')).toMatchObject({ status: 404 });
  });
});
