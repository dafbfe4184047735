import { DataSource } from 'typeorm';

import { createTestDatabase, type TestDatabase } from '../../../../test/support/database.js';
import { dataSourceOptions } from '../database/data-source-options.js';
import { CommitOutcomeUnknown, inTransaction, RetryTransaction } from '../database/transaction.js';
import { DomainError } from '../errors/domain-error.js';
import { Answer } from '../http/answer.js';
import { Readiness } from '../health/health.controller.js';
import { type IdempotencyClaim, IdempotencyInFlight, IdempotencyStore } from './idempotency.js';
import { ProvisionalAnswers } from './provisional-answers.js';

const store = new IdempotencyStore();
const readiness = new Readiness();
const PATIENCE_MS = 20_000;

let database: TestDatabase;
let dataSource: DataSource;
/** Those of two processes. */
let here: ProvisionalAnswers;
let there: ProvisionalAnswers;
beforeAll(async () => {
  database = await createTestDatabase();
  dataSource = await new DataSource(dataSourceOptions(database.url, 8)).initialize();
  here = new ProvisionalAnswers(dataSource, store, readiness);
  there = new ProvisionalAnswers(dataSource, store, readiness);
});
afterAll(async () => {
  await dataSource.destroy();
  await database.drop();
});

class KettleEmpty extends DomainError {
  readonly code = 'kettle_empty';
  readonly status = 422;
}

const provisional = new Answer(202, '{"tea":"brewing"}', { location: '/tea/1', isProvisional: true });
const final = new Answer(201, '{"tea":"ready"}', { location: '/tea/1', etag: '"2"' });
let keys = 0;

async function aClaim(answer: Answer = provisional): Promise<IdempotencyClaim> {
  const claim = { caller: 'alice', key: `key-${(keys += 1)}`, fingerprint: 'tea' };
  await inTransaction(dataSource, (manager) => store.store(manager, [{ claim, answer }]));
  return claim;
}
const conclude = (claim: IdempotencyClaim, answer: Answer) =>
  inTransaction(dataSource, (manager) => store.conclude(manager, [{ claim, answer }]));
const find = async (claim: IdempotencyClaim) =>
  (await inTransaction(dataSource, (manager) => store.find(manager, [claim])))[0] as Answer;

describe('a provisional answer', () => {
  it('is found as one, and is replaced once', async () => {
    const claim = await aClaim();
    expect(await find(claim)).toEqual(
      new Answer(202, provisional.body, { location: '/tea/1', isReplay: true, isProvisional: true }),
    );
    expect(await conclude(claim, final)).toEqual([true]);
    expect(await find(claim)).toEqual(final.asReplay());
    expect(await conclude(claim, new Answer(201, '{"tea":"cold"}'))).toEqual([false]);
    expect(await find(claim)).toEqual(final.asReplay());
  });

  it('can be replaced by a refusal, which is told as one', async () => {
    const claim = await aClaim();
    const refused = Answer.refused(new KettleEmpty('No tea.'), { url: '/tea', id: 'request-1' });
    await conclude(claim, refused);
    expect(await find(claim)).toMatchObject({
      status: 422,
      location: null,
      etag: null,
      isProvisional: false,
    });
    expect(JSON.parse((await find(claim)).body)).toMatchObject({
      code: 'kettle_empty',
      requestId: 'request-1',
    });
  });

  it('is replaced among others; a final one and a forgotten one stay as they are', async () => {
    const claims = [await aClaim(), await aClaim(final), await aClaim()];
    const answers = [...claims, { caller: 'bob', key: 'gone', fingerprint: '' }].map((claim) => ({
      claim,
      answer: new Answer(201, claim.key),
    }));
    const concluded = await inTransaction(dataSource, (manager) => store.conclude(manager, answers));
    expect(concluded).toEqual([true, false, true, false]);
    const bodies = await Promise.all(claims.map(async (claim) => (await find(claim)).body));
    expect(bodies).toEqual([claims[0]?.key, final.body, claims[2]?.key]);
  });

  it('is replaced by the first of several who try at once', async () => {
    const claims = await Promise.all(Array.from({ length: 5 }, () => aClaim()));
    const attempts = Array.from({ length: 8 }, (_, attempt) =>
      inTransaction(dataSource, (manager) => {
        const answers = claims.map((claim) => ({ claim, answer: new Answer(201, `by ${attempt}`) }));
        return store.conclude(manager, attempt % 2 === 0 ? answers : answers.toReversed());
      }),
    );
    const successes = (await Promise.all(attempts)).flat().filter(Boolean);
    expect(successes).toHaveLength(5);
  });
});

describe('a repetition', () => {
  it('in the process that is at work gets what the work comes to', async () => {
    const claim = await aClaim();
    const work = Promise.withResolvers<Answer>();
    const first = here.expect(claim, work.promise);
    const repetitions = [1, 2, 3].map(() => here.finalFor(claim, provisional, PATIENCE_MS));
    work.resolve(final);
    expect(await first).toBe(final);
    expect(await Promise.all(repetitions)).toEqual([1, 2, 3].map(() => final.asReplay()));
  });

  it('in another process gets what is written down', async () => {
    const claim = await aClaim();
    const repetitions = [1, 2].map(() => there.finalFor(claim, provisional, PATIENCE_MS));
    await conclude(claim, final);
    expect(await Promise.all(repetitions)).toEqual([final.asReplay(), final.asReplay()]);
  });

  it('of work that fails hears of it', async () => {
    const claim = await aClaim();
    const work = Promise.withResolvers<Answer>();
    const first = here.expect(claim, work.promise);
    const repetition = here.finalFor(claim, provisional, PATIENCE_MS);
    work.reject(new KettleEmpty('No tea.'));
    await expect(first).rejects.toThrow('No tea.');
    await expect(repetition).rejects.toThrow('No tea.');
  });

  it('that waits in vain makes the provisional answer final: whoever comes late gets it too', async () => {
    const claim = await aClaim();
    const answers = await Promise.all([
      here.finalFor(claim, provisional, 0),
      there.finalFor(claim, provisional, 0),
    ]);
    for (const { status, body, isReplay } of answers)
      expect({ status, body, isReplay }).toEqual({ status: 202, body: provisional.body, isReplay: true });
    expect(await conclude(claim, final)).toEqual([false]);
    expect(await find(claim)).toMatchObject({ status: 202, isProvisional: false });
  });

  it('that waits in vain at the very end gets what was written down meanwhile', async () => {
    const claim = await aClaim();
    await conclude(claim, final);
    expect(await here.finalFor(claim, provisional, 0)).toEqual(final.asReplay());
  });
});

describe('a repetition that cannot be told now may come again', () => {
  afterEach(() => {
    readiness.isStopping = false;
  });

  it('because the key has been forgotten', async () => {
    const forgotten = { caller: 'alice', key: 'forgotten', fingerprint: 'tea' };
    await expect(here.finalFor(forgotten, provisional, 0)).rejects.toBeInstanceOf(IdempotencyInFlight);
    await expect(here.finalFor(forgotten, provisional, 1_000)).rejects.toBeInstanceOf(IdempotencyInFlight);
  });

  it('because the server stops', async () => {
    const claim = await aClaim();
    const waiting = here.finalFor(claim, provisional, 3_600_000);
    readiness.isStopping = true;
    await expect(waiting).rejects.toBeInstanceOf(IdempotencyInFlight);
    expect(await find(claim)).toMatchObject({ isProvisional: true });
  });

  it.each([
    ['nobody knows whether it was committed', new CommitOutcomeUnknown(new Error('Gone')), 1],
    ['it lost against others again and again', new RetryTransaction('Somebody was faster', undefined), 5],
  ])('because %s', async (_, error, runs) => {
    const claim = await aClaim();
    let tries = 0;
    const failing = Object.create(store, {
      conclude: {
        value: () => {
          tries += 1;
          return Promise.reject(error);
        },
      },
    }) as IdempotencyStore;
    const unlucky = new ProvisionalAnswers(dataSource, failing, readiness);
    await expect(unlucky.finalFor(claim, provisional, 0)).rejects.toBeInstanceOf(IdempotencyInFlight);
    expect(tries).toBe(runs);
    expect(await here.finalFor(claim, provisional, 0)).toMatchObject({ status: 202, isReplay: true });
  });

  it('not when it lost against another once', async () => {
    const claim = await aClaim();
    const errors = [new RetryTransaction('Somebody was faster', undefined)];
    const failing = Object.create(store, {
      find: {
        value: async (...args: Parameters<IdempotencyStore['find']>) => {
          const error = errors.pop();
          if (error !== undefined) throw error;
          return store.find(...args);
        },
      },
    }) as IdempotencyStore;
    await conclude(claim, final);
    const unlucky = new ProvisionalAnswers(dataSource, failing, readiness);
    expect(await unlucky.finalFor(claim, provisional, PATIENCE_MS)).toEqual(final.asReplay());
  });
});

describe('work without a key', () => {
  it('is nobody else’s', async () => {
    expect(await here.expect(undefined, Promise.resolve(final))).toBe(final);
  });
});
