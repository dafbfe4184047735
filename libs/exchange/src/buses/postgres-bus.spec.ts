import { DataSource } from 'typeorm';

import { dataSourceOptions, inTransaction } from '@daybook/platform';

import { createTestDatabase, type TestDatabase } from '../../../../test/support/database.js';
import type { BusUnderTest } from '../../../../test/support/execution-bus-bench.js';
import { describeExecutionBus } from '../../../../test/support/execution-bus-conformance.js';
import { everyPart, stretchOf } from '../../../../test/support/execution-stretches.js';
import { PostgresBus } from './postgres-bus.js';

const { jest } = import.meta;

let database: TestDatabase;
let dataSource: DataSource;

beforeAll(async () => {
  database = await createTestDatabase();
  dataSource = await new DataSource(dataSourceOptions(database.url, 12)).initialize();
});
afterAll(async () => {
  await dataSource.destroy();
  await database.drop();
});

async function underTest(): Promise<BusUnderTest> {
  await database.query('TRUNCATE execution_inbox');
  return {
    open: () => new PostgresBus(dataSource),
    transaction: (work) => inTransaction(dataSource, work),
    kept: async (partition) => {
      const rows = await database.query<{ reports: string }>(
        'SELECT reports FROM execution_inbox WHERE partition = $1',
        [partition],
      );
      return rows.reduce((count, { reports }) => count + (JSON.parse(reports) as unknown[]).length, 0);
    },
    close: () => Promise.resolve(),
  };
}

describeExecutionBus('the PostgreSQL bus', underTest);

describe('the PostgreSQL bus', () => {
  it('keeps a stretch as one row, which is not compressed', async () => {
    const { open } = await underTest();
    const bus = await open();
    await bus.publish([stretchOf(0, 0, 1_000)]);
    const rows = await database.query(
      'SELECT pg_column_compression(reports) AS compression, length(reports) > 50000 AS large FROM execution_inbox',
    );
    expect(rows).toEqual([{ compression: null, large: true }]);
  });

  it('reads the reports of those stretches only that it hands over', async () => {
    const { open } = await underTest();
    const bus = await open();
    for (let after = 0; after < 1_000; after += 100) await bus.publish([stretchOf(0, after, after + 100)]);
    // Again, and cut differently: they bring nothing.
    await bus.publish([stretchOf(0, 50, 100), stretchOf(0, 150, 200)]);
    const reading = jest.spyOn(dataSource, 'query');
    const taken = await bus.take(0, 0, 250);
    const [rows] = await Promise.all(reading.mock.results.map(({ value }) => value as Promise<unknown[]>));
    reading.mockRestore();
    expect(taken.map(({ through }) => through)).toEqual([100, 200, 300]);
    expect(rows).toHaveLength(3);
  });

  it('tells what it has lost: the rest does not join', async () => {
    const { open } = await underTest();
    const bus = await open();
    for (const after of [0, 10, 20]) await bus.publish([stretchOf(0, after, after + 10)]);
    await database.query('DELETE FROM execution_inbox WHERE after = 10');
    expect(await bus.resumeAfter([0, ...everyPart(99).slice(1)])).toBe(10);
    expect((await bus.take(0, 0, 1_000)).map(({ through }) => through)).toEqual([10]);
    expect((await bus.take(0, 10, 1_000)).map(({ after }) => after)).toEqual([20]);
    await bus.publish([stretchOf(0, 10, 35)]);
    expect((await bus.take(0, 10, 1_000)).map(({ after }) => after)).toEqual([10]);
  });
});
