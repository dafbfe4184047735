import { dataSourceOptions } from '@daybook/platform';
import { Logger } from '@nestjs/common';
import { DataSource } from 'typeorm';

import { createTestDatabase, type TestDatabase } from '../../../test/support/database.js';
import { runJob } from '../../../test/support/run-job.js';
import { formatNumber, toStoredNumber } from './business-number.js';
import { GaplessIdGenerator } from './gapless.id-generator.js';
import type { NumberSeries } from './id-generator.js';
import { OldNumberRemoval } from './old-number-removal.js';
import { SequenceIdGenerator } from './sequence.id-generator.js';

const { jest } = import.meta;

const TICKETS: NumberSeries = { name: 'ticket', prefix: 'T', table: 'tickets', column: 'id' };
const RETURNS: NumberSeries = { name: 'return', prefix: 'R', table: 'returns', column: 'id' };
const TODAY = 20300131;

let database: TestDatabase;
let dataSource: DataSource;

beforeEach(async () => {
  database = await createTestDatabase();
  await database.query(
    'CREATE TABLE tickets (id bigint PRIMARY KEY); CREATE TABLE returns (id bigint PRIMARY KEY)',
  );
  dataSource = await new DataSource(dataSourceOptions(database.url, 4)).initialize();
  await makeItBe('2030-01-31T12:00:00Z');
});
afterEach(async () => {
  await dataSource.destroy();
  await database.drop();
});

const makeItBe = (time: string) => database.shiftTime(`${Date.parse(time) - Date.now()} milliseconds`);

/** Keeps three days. */
function removal(businessTimezone = 'UTC', ...series: readonly NumberSeries[]): OldNumberRemoval {
  const generator = new SequenceIdGenerator(dataSource, businessTimezone);
  for (const one of series) generator.register(one);
  return new OldNumberRemoval(generator, dataSource, {
    businessTimezone,
    orderNumberRetentionDays: 3,
  } as never);
}

const sequences = async () => {
  const rows = await database.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relkind = 'S' AND relname LIKE '%_number_%' ORDER BY 1`,
  );
  return rows.map(({ name }) => name);
};

/** Counters of both strategies for the last days up to today. */
async function prepare(series: NumberSeries, days: number): Promise<void> {
  const generators = [new SequenceIdGenerator(dataSource, 'UTC'), new GaplessIdGenerator(dataSource, 'UTC')];
  for (let ago = 0; ago < days; ago += 1)
    for (const generator of generators) await generator.prepare(series, String(TODAY - ago));
}

const names = (series: NumberSeries, ...days: number[]) => days.map((day) => `${series.name}_number_${day}`);

describe('the counters of days long past', () => {
  it('are removed, of every registered series and of both strategies', async () => {
    await prepare(TICKETS, 7);
    await prepare(RETURNS, 5);
    expect(await runJob(removal('UTC', TICKETS, RETURNS), dataSource)).toBe((3 + 1) * 2);
    const kept = [20300128, 20300129, 20300130, 20300131];
    expect(await sequences()).toEqual([...names(RETURNS, ...kept), ...names(TICKETS, ...kept)]);
    const counters = await database.query('SELECT series, day FROM number_counters ORDER BY series, day');
    expect(counters).toEqual(['return', 'ticket'].flatMap((series) => kept.map((day) => ({ series, day }))));
    expect(await runJob(removal('UTC', TICKETS, RETURNS), dataSource)).toBe(0);
  });

  it('are those of the business day, not of the day in UTC', async () => {
    await prepare(TICKETS, 5);
    // In Auckland it is the first of February already.
    await runJob(removal('Pacific/Auckland', TICKETS), dataSource);
    expect(await sequences()).toEqual(names(TICKETS, 20300129, 20300130, 20300131));
  });

  it('do not include anything that only looks like one', async () => {
    const others = [
      'return_number_20000101',
      'my_ticket_number_20000101',
      'ticket_number_2000',
      'ticket_number_200001011',
    ];
    for (const name of others) await database.query(`CREATE SEQUENCE ${name}`);
    await database.query('CREATE TABLE ticket_number_20000101 (id int)');
    await database.query(`INSERT INTO number_counters VALUES ('return', 20000101, 1)`);
    expect(await runJob(removal('UTC', TICKETS), dataSource)).toBe(0);
    expect(await sequences()).toEqual([...others].sort());
    expect(await database.query('SELECT series FROM number_counters')).toEqual([{ series: 'return' }]);
  });

  it('stay when somebody uses them, and the others go', async () => {
    await prepare(TICKETS, 7);
    const [used] = names(TICKETS, 20300126);
    const user = dataSource.createQueryRunner();
    await user.startTransaction();
    await user.query(`SELECT nextval('${used}')`);
    const told = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    await runJob(removal('UTC', TICKETS), dataSource);
    expect(await sequences()).toEqual(names(TICKETS, 20300126, 20300128, 20300129, 20300130, 20300131));
    expect(told.mock.calls).toEqual([[`${used} is in use, and stays for now`]]);
    await user.rollbackTransaction();
    await user.release();
    await runJob(removal('UTC', TICKETS), dataSource);
    expect(await sequences()).not.toContain(used);
  });

  it('are made again behind the highest number, should the clock be put back so far', async () => {
    await prepare(TICKETS, 7);
    await database.query('INSERT INTO tickets VALUES ($1)', [
      toStoredNumber(formatNumber('T', '20300125', 41), 'T'),
    ]);
    await runJob(removal('UTC', TICKETS), dataSource);
    await makeItBe('2030-01-25T12:00:00Z');
    const generator = new SequenceIdGenerator(dataSource, 'UTC');
    await generator.prepare(TICKETS, '20300125');
    const { numbers } = await dataSource.transaction((manager) => generator.issue(TICKETS, 1, manager));
    expect(numbers).toEqual(['T20300125-00042']);
  });
});
