import { type ExecutionBus, PARTITIONS } from '@daybook/exchange';

import { type Bench, type BusUnderTest, ENOUGH, receiving } from './execution-bus-bench.js';
import {
  consume,
  cutUnevenly,
  drain,
  everyPart,
  inventedReport,
  sequencesOf,
  stretchOf,
} from './execution-stretches.js';
import {
  describeArrival,
  describeCrash,
  describeHoles,
  describeLostDisk,
  describeResuming,
} from './execution-bus-resuming.js';
import { waitFor } from './wait-for.js';

/*
 * What every execution bus has to do, as tests: a spec calls describeExecutionBus and gets them all.
 */

type Make = () => BusUnderTest | Promise<BusUnderTest>;

export interface ConformanceOptions {
  /** What is kept can be killed and come back. */
  readonly crashes?: boolean;
  /** It can lose its disk. */
  readonly losesDisk?: boolean;
}

/** Declares the tests that every {@link ExecutionBus} has to pass; `make` is called for each of them. */
export function describeExecutionBus(
  name: string,
  make: Make,
  { crashes = false, losesDisk = false }: ConformanceOptions = {},
): void {
  describe(`${name}, as every execution bus,`, () => {
    let current: BusUnderTest;
    let opened: ExecutionBus[];
    beforeEach(async () => {
      opened = [];
      current = await make();
    });
    afterEach(async () => {
      await Promise.all(opened.map((bus) => bus.close?.() ?? Promise.resolve()));
      await current.close();
    });
    const bench: Bench = {
      made: () => current,
      open: async () => {
        const bus = await current.open();
        opened.push(bus);
        return bus;
      },
      drain: (bus, partition, applied, reports) =>
        drain(bus, partition, applied, reports, current.transaction),
    };

    describeCarrying(bench);
    describeTaking(bench);
    describeConsumers(bench);
    describeForgetting(bench);
    describeResuming(bench);
    describeHoles(bench);
    describeArrival(bench);
    if (crashes) describeCrash(bench);
    if (losesDisk) describeLostDisk(bench);
  });
}

function describeCarrying(bench: Bench): void {
  it('hands over reports as they were published', async () => {
    const reports = [
      inventedReport(1, { type: 'new', quantity: undefined, priceCents: undefined }),
      inventedReport(2, { quantity: 9_000_000_000, priceCents: 1 }),
      inventedReport(3, { orderRef: 'Ordre n° 7 «ö» 日本 "\\\n', reason: 'because\tof\u0001 𝄞' }),
    ].map((report) => JSON.parse(JSON.stringify(report)) as typeof report);
    const bus = await receiving(bench);
    await bus.publish([{ partition: 3, after: 0, through: 3, reports }]);
    const taken = await bus.take(3, 0, ENOUGH);
    const { reports: found } = consume(taken, 0);
    expect(JSON.parse(JSON.stringify(found))).toEqual(reports);
  });

  it('has what it was given safe before it says so: another process finds it at once', async () => {
    const [publisher, other] = [await receiving(bench), await bench.open()];
    for (let through = 10; through <= 50; through += 10) {
      await publisher.publish([stretchOf(2, through - 10, through)]);
      const taken = await other.take(2, through - 10, ENOUGH);
      expect(consume(taken, through - 10).through).toBe(through);
    }
  });

  it('keeps the parts apart, and each in order', async () => {
    const [publisher, consumer] = [await receiving(bench), await bench.open()];
    // As the receiver does it: each batch of the stream becomes a stretch of every part.
    for (let after = 0; after < 400; after += 80) {
      await publisher.publish(everyPart(0).map((_, part) => stretchOf(part, after, after + 80, PARTITIONS)));
    }
    for (const [part] of everyPart(0).entries()) {
      const { reports, through } = consume(await consumer.take(part, 0, ENOUGH), 0);
      expect(through).toBe(400);
      expect(reports).toEqual(stretchOf(part, 0, 400, PARTITIONS).reports);
    }
  });

  it('carries large stretches', async () => {
    const bus = await receiving(bench);
    const large = stretchOf(0, 0, 20_000);
    await bus.publish([large, stretchOf(1, 0, 20_000)]);
    const { seen } = await bench.drain(bus, 0, 0, 5_000);
    expect(seen).toEqual(sequencesOf([large]));
  });

  it('carries stretches without reports, which move a part on', async () => {
    const bus = await receiving(bench);
    await bus.publish([stretchOf(0, 0, 10), { partition: 0, after: 10, through: 25, reports: [] }]);
    await bus.publish([{ partition: 0, after: 25, through: 40, reports: [] }]);
    expect(consume(await bus.take(0, 0, ENOUGH), 0).through).toBe(40);
    expect(consume(await bus.take(0, 30, ENOUGH), 30)).toEqual({ through: 40, reports: [] });
  });

  it('makes one stream of stretches that overlap and come again', async () => {
    const bus = await receiving(bench);
    await bus.publish([stretchOf(5, 0, 10)]);
    await bus.publish([stretchOf(5, 5, 15), stretchOf(5, 0, 10)]);
    await bus.publish([stretchOf(5, 15, 20), stretchOf(5, 0, 30), stretchOf(5, 15, 20)]);
    for (const bound of [1, 7, ENOUGH]) {
      const { seen, stretches } = await drain(bus, 5, 0, bound);
      expect(seen).toEqual(sequencesOf([stretchOf(5, 0, 30)]));
      const ends = stretches.map(({ through }) => through);
      expect(ends).toEqual([...new Set(ends)].toSorted((a, b) => a - b));
    }
  });
}

function describeTaking(bench: Bench): void {
  it('has nothing for a part to which nothing has come', async () => {
    const bus = await receiving(bench);
    await bus.publish([stretchOf(1, 0, 10)]);
    expect(await bus.take(0, 0, ENOUGH)).toEqual([]);
    expect(await bus.take(1, 10, ENOUGH)).toEqual([]);
  });

  it('begins where it is told to, wherever that is, however often it is asked', async () => {
    const bus = await receiving(bench);
    for (let after = 0; after < 60; after += 10) await bus.publish([stretchOf(4, after, after + 10)]);
    for (const applied of [0, 35, 10, 59, 60, 1, 35]) {
      const taken = await bus.take(4, applied, ENOUGH);
      expect(sequencesOf(taken).filter((sequence) => sequence > applied)).toEqual(
        sequencesOf([stretchOf(4, applied, 60)]),
      );
      expect((taken[0]?.after ?? applied) <= applied).toBe(true);
      expect((taken[0]?.through ?? Infinity) > applied).toBe(true);
    }
  });

  it('takes about as much as it is told to', async () => {
    const bus = await receiving(bench);
    await bus.publish(cutUnevenly(stretchOf(6, 0, 2_000), 200));
    for (const bound of [1, 10, 100, 1_999]) {
      const taken = await bus.take(6, 0, bound);
      const counts = taken.map(({ reports }) => reports.length);
      const sum = (of: readonly number[]) => of.reduce((total, count) => total + count, 0);
      expect(sum(counts)).toBeGreaterThan(0);
      expect(sum(counts.slice(0, -1))).toBeLessThan(bound);
    }
  });
}

function describeConsumers(bench: Bench): void {
  it('serves consumers at different parts at the same time, while more is coming', async () => {
    const publisher = await receiving(bench);
    const consumers = [await bench.open(), await bench.open(), await bench.open()];
    const total = 2_000;
    const parts = [...everyPart(0).keys()];
    const read = async (part: number) => {
      const bus = consumers[part % consumers.length] as ExecutionBus;
      const all: number[] = [];
      await waitFor(`part ${part} to be read`, async () => {
        const { seen } = await bench.drain(bus, part, all.at(-1) ?? 0, 150);
        all.push(...seen);
        return all.at(-1) === total;
      });
      return all;
    };
    const reading = Promise.all(parts.map(read));
    for (let after = 0; after < total; after += 100) {
      await publisher.publish(parts.map((part) => stretchOf(part, after, after + 100)));
    }
    const expected = Array.from({ length: total }, (_, index) => index + 1);
    expect(await reading).toEqual(parts.map(() => expected));
  });

  it('goes on for the consumer that takes a part over', async () => {
    const [publisher, first, second] = [await receiving(bench), await bench.open(), await bench.open()];
    await publisher.publish(cutUnevenly(stretchOf(0, 0, 300), 20));
    const { through } = consume(await first.take(0, 0, 100), 0);
    await bench.made().transaction((manager) => first.forget(0, through, manager));
    await first.acknowledge(0, through);
    const { seen } = await bench.drain(second, 0, through, 100);
    expect(seen).toEqual(sequencesOf([stretchOf(0, through, 300)]));
    await publisher.publish([stretchOf(0, 300, 310)]);
    // The first one comes back, further on than it was.
    expect((await bench.drain(first, 0, 300, 100)).seen).toEqual(sequencesOf([stretchOf(0, 300, 310)]));
  });
}

function describeForgetting(bench: Bench): void {
  it('keeps little of what is applied, and all that is not', async () => {
    const bus = await receiving(bench);
    const stretches = cutUnevenly(stretchOf(0, 0, 5_000), 50);
    await bus.publish([...stretches, stretchOf(1, 0, 70)]);
    const { through } = await bench.drain(bus, 0, 0, 100);
    expect(through).toBe(5_000);
    await waitFor('what is applied to be forgotten', async () => (await bench.made().kept(0)) < 1_000);
    expect(await bench.made().kept(1)).toBe(70);
    expect(consume(await bus.take(1, 0, ENOUGH), 0).through).toBe(70);
  });

  it('forgets nothing that a transaction took back', async () => {
    const { transaction } = bench.made();
    const [bus, other] = [await receiving(bench), await bench.open()];
    await bus.publish([stretchOf(0, 0, 10), stretchOf(0, 10, 20)]);
    const failure = new Error('the transaction fails');
    await expect(
      transaction(async (manager) => {
        await bus.forget(0, 10, manager);
        throw failure;
      }),
    ).rejects.toBe(failure);
    for (const { take } of [bus, other].map((each) => ({ take: each.take.bind(each) }))) {
      expect(consume(await take(0, 0, ENOUGH), 0).through).toBe(20);
    }
  });
}
