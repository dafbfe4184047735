import { connect } from 'node:net';

import { QueryBus } from '@nestjs/cqrs';
import { SignJWT } from 'jose';
import pg from 'pg';

import { request, startTestApp, type TestApp, TEST_SECRET } from '../../../../test/support/app.js';
import { type EventStream, openEventStream } from '../../../../test/support/event-stream.js';
import { type JournalWriter, openJournalWriter } from '../../../../test/support/journal-writer.js';
import { expectProblem } from '../../../../test/support/problem.js';
import { waitFor } from '../../../../test/support/wait-for.js';
import { EventFollowers } from '../event-followers.js';
import { StreamEvents } from './stream-events.query.js';

let daybook: TestApp;
let writer: JournalWriter;
/** The position of the last event when the test began. */
let start: string;

beforeAll(async () => {
  daybook = await startTestApp({
    DAYBOOK_ROLES: 'api',
    // Whoever kept the only connection while waiting would let all others wait.
    LIST_POOL_SIZE: '1',
    LIST_TIME_BUDGET_MS: '30000',
    LOG_LEVEL: 'error',
  });
  writer = await openJournalWriter(daybook.database);
});
afterAll(async () => {
  await writer.end();
  await daybook.stop();
});
beforeEach(async () => {
  start = await writer.append('before');
});

const events = (query: string) => daybook.api('GET', `/events?${query}`);
const followers = ({ app }: TestApp = daybook) => app.get(EventFollowers, { strict: false });
const expectFollowing = (count: number, where = daybook) =>
  waitFor(`${count} who follow`, () => followers(where).count === count);
const entities = (data: readonly { entityId: string }[]) => data.map(({ entityId }) => entityId);

/** Resolves when somebody who waits has looked in vain, and not only once. */
async function untilWaiting(where = daybook): Promise<void> {
  const seen = new Set<string>();
  await waitFor('looks for news', async () => {
    const rows = await where.database.query<{ at: string }>(
      `SELECT query_start::text AS at FROM pg_stat_activity WHERE datname = current_database()
       AND application_name = 'daybook-lists' AND query ~ 'journal_position_seq|pg_current_snapshot'`,
    );
    for (const { at } of rows) seen.add(at);
    return seen.size >= 3;
  });
}

/** Ends the connection on which somebody looks for news, while a statement is under way. */
async function breakConnection(): Promise<void> {
  const holder = new pg.Client({ connectionString: daybook.database.url });
  await holder.connect();
  await holder.query('BEGIN; LOCK TABLE settings');
  await writer.begin();
  await writer.append('rolled back');
  await waitFor('a statement that can be broken off', async () => {
    const ended = await daybook.database.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND application_name = 'daybook-lists' AND wait_event_type = 'Lock'`,
    );
    return ended.length > 0;
  });
  await Promise.all([writer.rollBack(), holder.end()]);
}

async function stream(
  query: string,
  headers: Record<string, string> = {},
  { origin, tokens } = daybook,
): Promise<EventStream> {
  const opened = await openEventStream(origin, `/api/v1/events?${query}`, {
    accept: 'text/event-stream',
    authorization: `Bearer ${tokens.operator}`,
    ...headers,
  });
  if (!('events' in opened)) throw new Error(opened.text);
  return opened;
}

const streamed = ({ events: all }: EventStream) => entities(all.map(({ data }) => data));
const expectStreamed = (from: EventStream, ...expected: string[]) =>
  waitFor(expected.join(), () => streamed(from).join() === expected.join());

describe('GET /events', () => {
  it('answers the events behind a position, in pages, and where to go on', async () => {
    const second = await (await writer.append('one'), writer.append('two'));
    const third = await writer.append('three');
    const page = await events(`after=${start}&limit=2`);
    expect(entities(page.body.data)).toEqual(['one', 'two']);
    expect(page.body.nextAfter).toBe(second);
    const last = await events(`after=${page.body.nextAfter}&limit=2`);
    expect(last.body).toEqual({
      data: [expect.objectContaining({ entityId: 'three', position: third })],
      nextAfter: third,
    });
    expect((await events(`after=${third}`)).body).toEqual({ data: [], nextAfter: third });
    expect((await events('after=9223372036854775807')).body.nextAfter).toBe('9223372036854775807');
  });

  it('begins at the first event without a position', async () => {
    const { data } = (await events('limit=1')).body;
    expect(data).toHaveLength(1);
    expect((await events('after=0&limit=1')).body.data).toEqual(data);
    expect((await events('after=000&limit=1')).body.data).toEqual(data);
  });

  it('tells of what the API has done, as the audit trail does', async () => {
    await daybook.createProduct('TEA', 10);
    const after = (await events('limit=200')).body.nextAfter;
    const body = { lines: [{ sku: 'TEA', quantity: 1 }] };
    const { id } = (await daybook.api('POST', '/orders', { body })).body;
    const { data } = (await events(`after=${after}`)).body;
    expect(data).toEqual((await daybook.api('GET', `/orders/${id}/audit`)).body.data);
    expect(data).toMatchObject([{ type: 'order.placed', entityId: id, version: 1 }]);
  });
});

describe('waiting for events', () => {
  it('is answered when one is committed, and not when one is rolled back', async () => {
    const waiting = events(`after=${start}&waitSeconds=30`);
    await untilWaiting();
    await writer.begin();
    await writer.append('rolled back');
    await untilWaiting();
    await writer.rollBack();
    await untilWaiting();
    await writer.begin();
    await writer.append('committed');
    await untilWaiting();
    await writer.commit();
    expect(entities((await waiting).body.data)).toEqual(['committed']);
  });

  it('ends after its time with nothing', async () => {
    const sentAt = performance.now();
    const answer = await events(`after=${start}&waitSeconds=1`);
    expect(answer).toMatchObject({ status: 200, body: { data: [], nextAfter: start } });
    expect(performance.now() - sentAt).toBeGreaterThan(990);
  });

  it('keeps no connection: many wait, and all are answered at once', async () => {
    const waiting = Array.from({ length: 100 }, (_, index) =>
      events(`after=${start}&waitSeconds=30&limit=${1 + (index % 2)}`),
    );
    await expectFollowing(100);
    await untilWaiting();
    expect((await events(`after=${start}`)).body.data).toEqual([]);
    await writer.append('news');
    const answers = await Promise.all(waiting);
    expect(answers.filter(({ body }) => entities(body.data).join() !== 'news')).toEqual([]);
    await expectFollowing(0);
  });

  it('is forgotten when the client leaves, also one whose answer was not yet its turn', async () => {
    const socket = connect(Number(new URL(daybook.origin).port), '127.0.0.1');
    const ask = [
      `GET /api/v1/events?after=${start}&waitSeconds=30 HTTP/1.1`,
      'host: daybook',
      `authorization: Bearer ${daybook.tokens.operator}`,
    ];
    socket.write(`${ask.join('\r\n')}\r\n\r\n`.repeat(12));
    await expectFollowing(12);
    socket.destroy();
    await expectFollowing(0);
  });

  it('fails when the database does', async () => {
    const waiting = events(`after=${start}&waitSeconds=30`);
    await untilWaiting();
    await breakConnection();
    expectProblem(await waiting, 503, 'database_unavailable');
  });
});

describe('a stream of events', () => {
  it('begins with what there is, and goes on with what comes', async () => {
    const position = await writer.append('old');
    const following = await stream(`after=${start}`);
    await expectStreamed(following, 'old');
    const { data } = (await events(`after=${start}`)).body;
    expect(following.text()).toBe(
      `retry: 1000\n\nid: ${position}\nevent: kettle.boiled\ndata: ${JSON.stringify(data[0])}\n\n`,
    );
    expect(following.headers.get('cache-control')).toBe('no-store');
    await writer.append('new');
    await expectStreamed(following, 'old', 'new');
    following.close();
    await expectFollowing(0);
  });

  it('is taken up again behind the last event, which is worth more than `after`', async () => {
    const first = await stream(`after=${start}`);
    await writer.append('one');
    await writer.append('two');
    await expectStreamed(first, 'one', 'two');
    first.close();
    await writer.append('three');
    const second = await stream('after=0', { 'last-event-id': first.events[0]?.id ?? '' });
    await expectStreamed(second, 'two', 'three');
    second.close();
  });

  it('has every event once, however many there are', async () => {
    await daybook.database.query(
      `INSERT INTO journal (occurred_at, actor, request_id, type, entity_type, entity_id, data)
       SELECT business_now(), 'alice', 'request-1', 'kettle.boiled', 'kettle', 'many ' || n, '{}' FROM generate_series(1, 450) n`,
    );
    const following = await stream(`after=${start}`);
    await waitFor('the last', () => streamed(following).at(-1) === 'many 450');
    expect(streamed(following)).toEqual(Array.from({ length: 450 }, (_, index) => `many ${index + 1}`));
    following.close();
  });

  it('is asked for by its type alone: whoever takes JSON gets JSON', async () => {
    const accept = 'text/event-stream, application/json';
    const answer = await daybook.api('GET', `/events?after=${start}`, { headers: { accept } });
    expect(answer.body).toEqual({ data: [], nextAfter: start });
  });

  it('is refused as everything is, before it begins', async () => {
    const headers = { accept: 'text/event-stream' };
    const ask = (query: string, token?: string) =>
      request(daybook.origin, 'GET', `/api/v1/events?${query}`, { headers, ...(token && { token }) });
    expectProblem(await ask(''), 401, 'unauthenticated');
    expectProblem(await ask('', daybook.tokens.alice), 403, 'forbidden');
    expectProblem(await ask('after=x', daybook.tokens.operator), 400, 'validation_failed');
    await daybook.database.query(`SELECT nextval('journal_position_seq')`);
    await writer.append('late');
    await daybook.database.query(`INSERT INTO settings VALUES ('journal_detached_to', $1)`, [
      String(BigInt(start) + 1n),
    ]);
    expectProblem(await ask(`after=${start}`, daybook.tokens.operator), 410, 'events_detached');
    await daybook.database.query(`DELETE FROM settings WHERE name = 'journal_detached_to'`);
    await expectFollowing(0);
  });

  it('ends when its token expires', async () => {
    const token = await new SignJWT({ roles: ['operator'] })
      .setProtectedHeader({ alg: 'HS256' })
      .setSubject('operator-1')
      .setExpirationTime('1s')
      .sign(new TextEncoder().encode(TEST_SECRET));
    const following = await stream(`after=${start}`, { authorization: `Bearer ${token}` });
    await expect(following.ended).resolves.toBeUndefined();
    await expectFollowing(0);
  });

  it('ends when the database fails, so that the client comes again', async () => {
    const following = await stream(`after=${start}`);
    await untilWaiting();
    await breakConnection();
    await expect(following.ended).resolves.toBeUndefined();
    await expectFollowing(0);
  });

  it('is nothing that HEAD would wait for', async () => {
    const headers = { accept: 'text/event-stream' };
    const { status } = await daybook.api('HEAD', `/events?after=${start}`, { headers });
    expect(status).toBe(200);
    await expectFollowing(0);
  });
});

describe('what a stream sends', () => {
  const open = async (heartbeatMs: number) => {
    const gone = new AbortController();
    const life = { over: gone.signal, tokenExpiresAt: Infinity };
    const query = new StreamEvents(start, life, 'request-1', heartbeatMs);
    return { sent: await daybook.app.get(QueryBus).execute(query), gone };
  };

  it('is a sign of life when there are no events', async () => {
    const { sent, gone } = await open(1);
    const chunks = sent[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    const next = async () => String((await chunks.next()).value);
    expect(await next()).toBe('retry: 1000\n\n');
    expect(await next()).toBe(':\n\n');
    expect(await next()).toBe(':\n\n');
    await writer.append('news');
    expect(await waitFor('the event', async () => (await next()).includes('"news"'))).toBe(true);
    gone.abort();
  });

  it('is read from the database no sooner than the client takes it', async () => {
    await daybook.database.query(
      `INSERT INTO journal (occurred_at, actor, request_id, type, entity_type, entity_id, data)
       SELECT business_now(), 'alice', repeat('r', 1000), 'kettle.boiled', 'kettle', 'large ' || n, '{}' FROM generate_series(1, 1000) n`,
    );
    const { sent, gone } = await open(30_000);
    sent.read(0);
    const filled = await waitFor(
      'the buffer to be full',
      () => sent.readableLength > sent.readableHighWaterMark && sent.readableLength,
    );
    // That would have been time enough for more.
    for (let times = 0; times < 10; times += 1) await events(`after=${start}&limit=200`);
    expect(sent.readableLength).toBe(filled);
    expect(filled).toBeLessThan(300_000);
    let text = '';
    for await (const chunk of sent) {
      text += String(chunk);
      if (text.includes('"large 1000"')) break;
    }
    expect(text.match(/^id: /gm)).toHaveLength(1000);
    gone.abort();
  });
});

describe('when the server stops', () => {
  it('whoever waits is answered, and streams end, at once', async () => {
    const stopping = await startTestApp({ DAYBOOK_ROLES: 'api' });
    const waiting = stopping.api('GET', '/events?waitSeconds=30');
    const following = await stream('', {}, stopping);
    await expectFollowing(2, stopping);
    await untilWaiting(stopping);
    const stopped = stopping.stop();
    expect(await waiting).toMatchObject({ status: 200, body: { data: [], nextAfter: '0' } });
    await following.ended;
    await stopped;
  });
});

describe('too many who follow', () => {
  it('are refused until one of them leaves', () => {
    const gone = Array.from({ length: 1_000 }, () => new AbortController());
    for (const { signal } of gone) followers().admit(signal);
    const late = new AbortController();
    expect(() => followers().admit(late.signal)).toThrow('Too many clients follow the events here.');
    gone[0]?.abort();
    expect(() => followers().admit(late.signal)).not.toThrow();
    for (const each of [...gone, late]) each.abort();
    expect(followers().count).toBe(0);
  });
});
