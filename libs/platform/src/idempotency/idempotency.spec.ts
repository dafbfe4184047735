import fc from 'fast-check';
import { DataSource, type EntityManager } from 'typeorm';

import { createTestDatabase, type TestDatabase } from '../../../../test/support/database.js';
import { waitFor } from '../../../../test/support/wait-for.js';
import { dataSourceOptions } from '../database/data-source-options.js';
import { inTransaction, RetryTransaction } from '../database/transaction.js';
import { Answer } from '../http/answer.js';
import {
  canonicalJson,
  fingerprint,
  type IdempotencyClaim,
  IdempotencyKeyReused,
  IdempotencyStore,
} from './idempotency.js';

/** The same value, its objects' members in another order. */
function shuffled(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shuffled);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([key, member]) => [key, shuffled(member)]),
  );
}

describe('canonical JSON', () => {
  it('means the same as the value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        // Through JSON, because JSON does not know -0.
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it('does not depend on the order of the members', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(canonicalJson(shuffled(value))).toBe(canonicalJson(value));
      }),
    );
  });

  it('differs when the values differ', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 2 }), fc.jsonValue({ maxDepth: 2 }), (one, other) => {
        const isSame = canonicalJson(one) === canonicalJson(other);
        expect(isSame).toBe(
          canonicalJson(JSON.parse(JSON.stringify(one))) === canonicalJson(JSON.parse(JSON.stringify(other))),
        );
        if (isSame) expect(JSON.parse(JSON.stringify(one))).toEqual(JSON.parse(JSON.stringify(other)));
      }),
    );
  });

  it.each<[value: unknown, text: string]>([
    [{ at: new Date(0) }, '{"at":"1970-01-01T00:00:00.000Z"}'],
    [{ b: 1, a: { d: [1, 'x', null], c: true } }, '{"a":{"c":true,"d":[1,"x",null]},"b":1}'],
    [{ a: undefined, b: 1 }, '{"b":1}'],
    [{ 10: 'ten', 9: 'nine' }, '{"10":"ten","9":"nine"}'],
    [undefined, 'null'],
    [[undefined], '[null]'],
    [['2', 2], '["2",2]'],
    [{ 'a"b': '\n' }, '{"a\\"b":"\\n"}'],
  ])('of %j is %s', (value, text) => {
    expect(canonicalJson(value)).toBe(text);
  });
});

describe('the fingerprint of a request', () => {
  it('is the same for the same route and the same body, however that is written', () => {
    expect(fingerprint('POST /orders', { a: 1, b: [2] })).toBe(fingerprint('POST /orders', { b: [2], a: 1 }));
  });

  it('differs by route, by body, and by what is in the body', () => {
    const requests: [string, unknown][] = [
      ['POST /orders', { a: 1 }],
      ['POST /products', { a: 1 }],
      ['POST /orders', { a: 2 }],
      ['POST /orders', { a: '1' }],
      ['POST /orders', { a: [1] }],
      ['POST /orders', { a: 1, b: null }],
      ['POST /orders', [{ a: 1 }]],
      ['POST /orders', undefined],
      ['POST /orders', {}],
    ];
    expect(new Set(requests.map(([route, body]) => fingerprint(route, body))).size).toBe(requests.length);
  });
});

describe('the store of answers', () => {
  const store = new IdempotencyStore();
  let database: TestDatabase;
  let pool: DataSource;

  beforeAll(async () => {
    database = await createTestDatabase();
    pool = await new DataSource(dataSourceOptions(database.url, 4)).initialize();
  });
  afterAll(async () => {
    await pool.destroy();
    await database.drop();
  });
  beforeEach(() => database.query('TRUNCATE idempotency_keys'));

  const claim = (key: string, changes: Partial<IdempotencyClaim> = {}) => ({
    caller: 'alice',
    key,
    fingerprint: 'f',
    ...changes,
  });
  const answer = (text: string) =>
    new Answer(201, `{"text":"${text}"}`, { location: `/${text}`, etag: '"1"' });

  const transact = <T>(work: (manager: EntityManager) => Promise<T>) => inTransaction(pool, work);
  const find = (...claims: (IdempotencyClaim | undefined)[]) =>
    transact((manager) => store.find(manager, claims));
  const keep = (...answers: { claim: IdempotencyClaim; answer: Answer }[]) =>
    transact((manager) => store.store(manager, answers));

  it('gives an answer back byte for byte, marked as a replay', async () => {
    const text = '{ "text":"ä\\n🙂",   "n":1.0 }';
    await keep({ claim: claim('k'), answer: new Answer(201, text, { location: '/a', etag: '"7"' }) });
    expect(await find(claim('k'))).toEqual([
      new Answer(201, text, { location: '/a', etag: '"7"', isReplay: true }),
    ]);
  });

  it('gives an answer without headers back without headers', async () => {
    await keep({ claim: claim('k'), answer: new Answer(200, '{}') });
    expect(await find(claim('k'))).toEqual([new Answer(200, '{}', { isReplay: true })]);
  });

  it('finds each answer at the position of its claim, also where a key is asked for twice or is missing', async () => {
    await keep({ claim: claim('a'), answer: answer('A') }, { claim: claim('b'), answer: answer('B') });
    const found = await find(claim('x'), claim('b'), undefined, claim('a'), claim('b'));
    expect(found.map((each) => (each instanceof Answer ? each.location : each))).toEqual([
      undefined,
      '/B',
      undefined,
      '/A',
      '/B',
    ]);
  });

  it('finds nothing for claims without keys, even none at all', async () => {
    expect(await find(undefined, undefined)).toEqual([undefined, undefined]);
    expect(await find()).toEqual([]);
  });

  it('refuses a key that was used with another request', async () => {
    await keep({ claim: claim('k'), answer: answer('A') });
    const [refusal, fine] = await find(claim('k', { fingerprint: 'g' }), claim('k'));
    expect(refusal).toBeInstanceOf(IdempotencyKeyReused);
    expect(fine).toBeInstanceOf(Answer);
  });

  it('keeps the keys of callers apart', async () => {
    await keep(
      { claim: claim('k'), answer: answer('A') },
      { claim: claim('k', { caller: 'bob' }), answer: answer('B') },
    );
    const found = await find(claim('k', { caller: 'bob' }), claim('k'), claim('k', { caller: 'carol' }));
    expect(found).toMatchObject([{ location: '/B' }, { location: '/A' }, undefined]);
  });

  it('forgets what was stored by a transaction that is rolled back', async () => {
    const failure = transact(async (manager) => {
      await store.store(manager, [{ claim: claim('k'), answer: answer('A') }]);
      throw new Error('changed my mind');
    });
    await expect(failure).rejects.toThrow('changed my mind');
    expect(await find(claim('k'))).toEqual([undefined]);
  });

  it('asks for another run of a transaction whose key was stored by another one meanwhile', async () => {
    await keep({ claim: claim('k'), answer: answer('A') });
    await expect(
      keep({ claim: claim('j'), answer: answer('J') }, { claim: claim('k'), answer: answer('B') }),
    ).rejects.toThrow(RetryTransaction);
    expect(await find(claim('j'), claim('k'))).toMatchObject([undefined, { location: '/A' }]);
  });

  it('makes the second of two transactions that store one key wait for the first', async () => {
    let second: Promise<void> | undefined;
    await transact(async (manager) => {
      await store.store(manager, [{ claim: claim('k'), answer: answer('A') }]);
      second = keep({ claim: claim('k'), answer: answer('B') });
      second.catch(() => undefined);
      await storesWait(1);
    });
    await expect(second).rejects.toThrow(RetryTransaction);
    expect(await find(claim('k'))).toMatchObject([{ location: '/A' }]);
  });

  it('never deadlocks transactions that store the same keys in different orders', async () => {
    const keys = ['a', 'm', 'z'].map((key) => ({ claim: claim(key), answer: answer(key) }));
    // A third one holds the middle key, so that both of them have begun and neither can end.
    const rivals: Promise<void>[] = [];
    const third = transact(async (manager) => {
      await store.store(manager, keys.slice(1, 2));
      rivals.push(keep(...keys), keep(...keys.toReversed()));
      await storesWait(2);
      throw new Error('changed my mind');
    });
    await expect(third).rejects.toThrow('changed my mind');
    const outcomes = await Promise.allSettled(rivals);
    const [loser] = outcomes.filter((outcome) => outcome.status === 'rejected');
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    expect(loser?.reason).toBeInstanceOf(RetryTransaction);
  });

  /** Resolves when so many transactions wait for another one that is storing the same key. */
  const storesWait = (count: number) =>
    waitFor(`${count} transactions to wait`, async () => {
      const rows = await database.query(
        `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`,
      );
      return rows.length === count;
    });
});
