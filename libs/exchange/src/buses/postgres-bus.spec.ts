import fc from 'fast-check';
import { DataSource } from 'typeorm';

import { dataSourceOptions, inTransaction } from '@daybook/platform';

import { createTestDatabase, type TestDatabase } from '../../../../test/support/database.js';
import type { BusUnderTest } from '../../../../test/support/execution-bus-bench.js';
import { describeExecutionBus } from '../../../../test/support/execution-bus-conformance.js';
import { drain, everyPart, stretchOf } from '../../../../test/support/execution-stretches.js';
import { PARTITIONS } from '../execution-bus.js';
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

  it('refuses what there is no room for, and takes it when there is room', async () => {
    const { open, transaction } = await underTest();
    await open();
    const bus = new PostgresBus(dataSource, 100);
    await bus.publish([stretchOf(0, 0, 60), stretchOf(1, 0, 60)]);
    await bus.publish([stretchOf(0, 60, 100)]);
    await expect(bus.publish([stretchOf(0, 100, 110)])).rejects.toThrow(/The bus is full/);
    expect(await bus.resumeAfter(everyPart(200).with(0, 0).with(1, 0))).toBe(60);
    await transaction((manager) => bus.forget(0, 100, manager));
    await expect(bus.publish([stretchOf(0, 100, 110)])).rejects.toThrow(/The bus is full/);
    await transaction((manager) => bus.forget(1, 60, manager));
    await bus.publish([stretchOf(0, 100, 250)]);
    expect((await drain(bus, 0, 100, 1_000)).through).toBe(250);
  });

  it('is not kept full by what comes again when it is applied already', async () => {
    const current = await underTest();
    const bus = new PostgresBus(dataSource, 100);
    await bus.publish([stretchOf(0, 0, 60), stretchOf(1, 400, 410)]);
    await expect(bus.publish([stretchOf(1, 410, 420)])).rejects.toThrow(/The bus is full/);
    expect(await bus.resumeAfter(everyPart(400))).toBe(400);
    await bus.publish([stretchOf(1, 410, 420), stretchOf(2, 300, 400)]);
    expect(await current.kept(2)).toBe(0);
  });

  it('finds out how far it is without reading what it has', async () => {
    const { open } = await underTest();
    await (await open()).publish(everyPart(0).map((_, part) => stretchOf(part, 0, 10)));
    const answers: unknown[] = [];
    const listening = {
      query: async (...asked: Parameters<DataSource['query']>) => {
        answers.push(await dataSource.query(...asked));
        return answers.at(-1);
      },
    };
    expect(await new PostgresBus(listening as DataSource).resumeAfter(everyPart(0))).toBe(10);
    expect(answers).toEqual([[{ reached: 10 }]]);
  });

  it('finds the first hole of each part, whatever overlaps before it', async () => {
    const stretch = fc.tuple(
      fc.integer({ min: 0, max: 3 }),
      fc.integer({ min: 0, max: 40 }),
      fc.integer({ min: 1, max: 9 }),
    );
    const parts = fc.array(fc.integer({ min: 0, max: 30 }), { minLength: PARTITIONS, maxLength: PARTITIONS });
    await fc.assert(
      fc.asyncProperty(fc.array(stretch, { maxLength: 25 }), parts, async (drawn, applied) => {
        const { open } = await underTest();
        const bus = await open();
        const stretches = drawn.map(([part, after, length]) => stretchOf(part, after, after + length));
        await bus.publish(stretches);
        const reached = applied.map((place, part) => {
          let end = place;
          const theirs = stretches.filter(({ partition }) => partition === part);
          for (;;) {
            const next = theirs.find(({ after, through }) => after <= end && through > end);
            if (next === undefined) return end;
            end = next.through;
          }
        });
        expect(await bus.resumeAfter(applied)).toBe(Math.min(...reached));
      }),
      { numRuns: 50, seed: 20261121 },
    );
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
