import { dataSourceOptions, inTransaction, RetryTransaction } from '@daybook/platform';
import { DataSource, type EntityManager } from 'typeorm';

import { createTestDatabase, type TestDatabase } from '../../../test/support/database.js';
import { type BusinessNumber, formatNumber, toStoredNumber } from './business-number.js';
import { GaplessIdGenerator } from './gapless.id-generator.js';
import type { IdGenerator, NumberSeries } from './id-generator.js';
import { NumberPreparation } from './number-preparation.js';
import { SequenceIdGenerator } from './sequence.id-generator.js';

const TICKETS: NumberSeries = { name: 'ticket', prefix: 'T', table: 'tickets', column: 'id' };
const RETURNS: NumberSeries = { name: 'return', prefix: 'R', table: 'returns', column: 'id' };

const RACERS = 24;

let database: TestDatabase;
// Whoever finds a day without a counter needs a second connection to make it.
let dataSource: DataSource;

beforeAll(async () => {
  database = await createTestDatabase();
  dataSource = await new DataSource(dataSourceOptions(database.url, RACERS * 2)).initialize();
});
afterAll(async () => {
  await dataSource.destroy();
  await database.drop();
});

let dayNumber = 0;
/** A day of its own for each test, at noon; no process has prepared it. */
let day: string;

beforeEach(async () => {
  await database.query('DROP TABLE IF EXISTS tickets; CREATE TABLE tickets (id bigint PRIMARY KEY)');
  await database.query('DROP TABLE IF EXISTS returns; CREATE TABLE returns (id bigint PRIMARY KEY)');
  dayNumber += 1;
  const noon = new Date(Date.UTC(2030, 0, dayNumber, 12));
  day = noon.toISOString().slice(0, 10).replaceAll('-', '');
  await makeItBe(noon.getTime());
});

const makeItBe = (time: number) => database.shiftTime(`${time - Date.now()} milliseconds`);

const STRATEGIES = {
  sequence: (timezone = 'UTC') => new SequenceIdGenerator(dataSource, timezone),
  gapless: (timezone = 'UTC') => new GaplessIdGenerator(dataSource, timezone),
};

/** In a transaction, run again as the write path would. */
async function transact<T>(work: (manager: EntityManager) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await inTransaction(dataSource, work);
    } catch (error) {
      if (!(error instanceof RetryTransaction) || attempt === 5) throw error;
    }
  }
}

/** Issues and stores tickets, as an order would be. */
function storeTickets(
  generator: IdGenerator,
  count = 1,
  series = TICKETS,
): Promise<readonly BusinessNumber[]> {
  return transact(async (manager) => {
    const { numbers } = await generator.issue(series, count, manager);
    await manager.query(`INSERT INTO ${series.table} SELECT unnest($1::bigint[])`, [
      numbers.map((number) => toStoredNumber(number, series.prefix)),
    ]);
    return numbers;
  });
}

const storeByHand = (n: number) =>
  database.query('INSERT INTO tickets VALUES ($1)', [toStoredNumber(formatNumber('T', day, n), 'T')]);
const tickets = (...counts: number[]) => counts.map((n) => formatNumber('T', day, n));

describe.each(Object.keys(STRATEGIES) as (keyof typeof STRATEGIES)[])('the %s strategy', (strategy) => {
  const make = STRATEGIES[strategy];

  it('starts a day at 1 and goes on, ascending, in one transaction or several', async () => {
    const generator = make();
    expect(await storeTickets(generator)).toEqual(tickets(1));
    expect(await storeTickets(generator, 4)).toEqual(tickets(2, 3, 4, 5));
    expect(await storeTickets(generator, 2)).toEqual(tickets(6, 7));
  });

  it('tells the moment that its numbers are of', async () => {
    const { at, numbers } = await transact((manager) => make().issue(TICKETS, 1, manager));
    expect(at).toMatch(/^2030-01-\d\dT12:00:\d\d\.\d{3}Z$/);
    expect(numbers[0]).toBe(`T${at.slice(0, 10).replaceAll('-', '')}-00001`);
  });

  it('counts each series by itself', async () => {
    const generator = make();
    expect(await storeTickets(generator, 2)).toEqual(tickets(1, 2));
    expect(await storeTickets(generator, 1, RETURNS)).toEqual([`R${day}-00001`]);
    expect(await storeTickets(generator)).toEqual(tickets(3));
  });

  it('grows past 99999 in one batch', async () => {
    await storeByHand(99_997);
    expect(await storeTickets(make(), 4)).toEqual([
      `T${day}-99998`,
      `T${day}-99999`,
      `T${day}-100000`,
      `T${day}-100001`,
    ]);
  });

  it('starts a day that was begun by another strategy behind its highest number', async () => {
    await storeByHand(41);
    await storeByHand(7);
    expect(await storeTickets(make())).toEqual(tickets(42));
  });

  it('takes no notice of the days before and after', async () => {
    const other = (offset: number) => String(BigInt(day) + BigInt(offset));
    for (const [offset, n] of [
      [-1, 9_999_999_999],
      [1, 1],
    ] as const) {
      await database.query('INSERT INTO tickets VALUES ($1)', [
        toStoredNumber(formatNumber('T', other(offset), n), 'T'),
      ]);
    }
    expect(await storeTickets(make())).toEqual(tickets(1));
  });

  it('is prepared as often as one likes, and never set back', async () => {
    const generator = make();
    await Promise.all(Array.from({ length: 16 }, () => make().prepare(TICKETS, day)));
    expect(await storeTickets(generator, 3)).toEqual(tickets(1, 2, 3));
    await database.query('DELETE FROM tickets');
    await generator.prepare(TICKETS, day);
    expect(await storeTickets(generator)).toEqual(tickets(4));
  });

  it('lifts a counter that lags when it is prepared', async () => {
    const generator = make();
    await storeTickets(generator, 3);
    await storeByHand(500);
    await generator.prepare(TICKETS, day);
    expect(await storeTickets(generator)).toEqual(tickets(501));
  });

  it('lifts a counter that lags as soon as it is distrusted, without being prepared', async () => {
    const generator = make();
    await storeTickets(generator, 3);
    for (const n of [4, 5, 6, 300]) await storeByHand(n);
    await expect(storeTickets(generator)).rejects.toThrow('tickets_pkey');
    const [taken] = tickets(4);
    generator.distrust(TICKETS, taken as BusinessNumber);
    expect(await storeTickets(generator)).toEqual(tickets(301));
    expect(await storeTickets(generator)).toEqual(tickets(302));
  });

  it('gives every transaction that races into a new day numbers of its own', async () => {
    const racers = [make(), make(), make(), make()];
    const issued = await Promise.all(
      Array.from({ length: RACERS }, (_, n) => storeTickets(racers[n % 4] as IdGenerator, (n % 3) + 1)),
    );
    const stored = issued.flat().map((number) => Number(number.slice(10)));
    expect(new Set(stored).size).toBe(stored.length);
    expect(Math.min(...stored)).toBe(1);
    expect(await database.query('SELECT 1 FROM tickets')).toHaveLength(stored.length);
  });

  it.each([
    ['Pacific/Auckland', '2031-01-10T10:59:59.000Z', '20310110'],
    ['Pacific/Auckland', '2031-01-10T11:00:00.000Z', '20310111'],
    ['America/St_Johns', '2031-01-10T03:29:58.000Z', '20310109'],
    ['America/St_Johns', '2031-01-10T03:30:00.000Z', '20310110'],
    // The clocks go forward at midnight: there is no 00:30 on this day, and it begins at 01:00.
    ['Asia/Beirut', '2031-03-29T21:59:58.000Z', '20310329'],
    ['Asia/Beirut', '2031-03-29T22:00:00.000Z', '20310330'],
    // The clocks go back at 03:00: the day has 25 hours and is one day all the same.
    ['Europe/Berlin', '2031-10-25T22:00:00.000Z', '20311026'],
    ['Europe/Berlin', '2031-10-26T22:59:58.000Z', '20311026'],
  ])('knows that in %s at %s the day is %s', async (timezone, time, expected) => {
    await makeItBe(Date.parse(time));
    const [number] = await storeTickets(make(timezone));
    expect(number?.slice(0, 9)).toBe(`T${expected}`);
  });

  it('prepares today and the three days ahead at start', async () => {
    const generator = make();
    generator.register(TICKETS);
    generator.register(RETURNS);
    const config = { businessTimezone: 'UTC', roles: ['scheduler'] };
    const preparation = new NumberPreparation(generator, dataSource, config as never);
    await preparation.onApplicationBootstrap();
    const prepared = await database.query<{ name: string }>(
      strategy === 'sequence'
        ? `SELECT relname AS name FROM pg_class WHERE relkind = 'S' AND relname LIKE '%number_2030%' ORDER BY 1`
        : `SELECT series || '_number_' || day AS name FROM number_counters ORDER BY 1`,
    );
    const names = prepared.map(({ name }) => name);
    for (const name of ['ticket', 'return']) {
      for (let ahead = 0; ahead <= 3; ahead += 1)
        expect(names).toContain(`${name}_number_${Number(day) + ahead}`);
      expect(names).not.toContain(`${name}_number_${Number(day) + 4}`);
    }
  });
});

describe('a transaction that is rolled back', () => {
  const rollBack = (generator: IdGenerator) =>
    expect(
      transact(async (manager) => {
        await generator.issue(TICKETS, 3, manager);
        throw new Error('changed its mind');
      }),
    ).rejects.toThrow('changed its mind');

  it('leaves a gap in a sequence: its numbers are not issued again', async () => {
    const generator = STRATEGIES.sequence();
    await storeTickets(generator);
    await rollBack(generator);
    expect(await storeTickets(generator)).toEqual(tickets(5));
  });

  it('leaves no gap in a gapless series', async () => {
    const generator = STRATEGIES.gapless();
    await storeTickets(generator);
    await rollBack(generator);
    expect(await storeTickets(generator)).toEqual(tickets(2));
  });
});

describe('a day without a sequence', () => {
  it('asks for a new transaction, because PostgreSQL does not look for the name again in the old one', async () => {
    const generator = STRATEGIES.sequence();
    const attempt = inTransaction(dataSource, (manager) => generator.issue(TICKETS, 1, manager));
    await expect(attempt).rejects.toThrow(RetryTransaction);
    expect(await storeTickets(generator)).toEqual(tickets(1));
  });
});

describe('a transaction that waits', () => {
  it('holds up only those of its series, and only with the gapless strategy', async () => {
    for (const [strategy, isHeldUp] of [
      ['sequence', false],
      ['gapless', true],
    ] as const) {
      const generator = STRATEGIES[strategy]();
      await storeTickets(generator);
      await storeTickets(generator, 1, RETURNS);
      const issued = Promise.withResolvers<void>();
      const gate = Promise.withResolvers<void>();
      const slow = transact(async (manager) => {
        await generator.issue(TICKETS, 1, manager);
        issued.resolve();
        await gate.promise;
      });
      await issued.promise;
      let isThrough = false;
      const second = storeTickets(generator).then(() => (isThrough = true));
      await storeTickets(generator, 1, RETURNS);
      await storeTickets(generator, 1, RETURNS);
      await Promise.race([second, new Promise((resolve) => setTimeout(resolve, 100))]);
      expect(isThrough).toBe(!isHeldUp);
      gate.resolve();
      await Promise.all([slow, second]);
    }
  });
});
