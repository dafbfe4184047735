import { DiscardPolicy, type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import type { EntityManager } from 'typeorm';

import type { BusUnderTest } from '../../../../test/support/execution-bus-bench.js';
import { describeExecutionBus } from '../../../../test/support/execution-bus-conformance.js';
import {
  drain,
  everyPart,
  inventedReport,
  sequencesOf,
  stretchOf,
} from '../../../../test/support/execution-stretches.js';
import { describeWithNats, NatsServer } from '../../../../test/support/nats-server.js';
import { PARTITIONS } from '../execution-bus.js';
import { NatsBus, type NatsBusOptions } from './nats-bus.js';
import { readReports } from './nats-messages.js';

const VENUE = 'XTEST';
const STREAM = `daybook-executions-${VENUE}`;

let server: NatsServer;

/** Every test has a disk of its own: what the others have left is not there. */
async function underTest(): Promise<BusUnderTest> {
  await server.restart('new');
  return {
    open: () => new NatsBus({ url: server.url, venue: VENUE }),
    // What is on this bus knows no transactions of the database.
    transaction: (work) => work(undefined as unknown as EntityManager),
    kept: countKept,
    crash: () => server.restart(),
    loseDisk: () => server.restart('new'),
    close: () => Promise.resolve(),
  };
}

/** Asks the broker, as an operator would. */
async function operate<T>(work: (manager: JetStreamManager) => Promise<T>): Promise<T> {
  const connection = await connect({ servers: new URL(server.url).host });
  try {
    return await work(await jetstreamManager(connection));
  } finally {
    await connection.close();
  }
}

/** How many reports the broker has of a part. */
function countKept(partition: number): Promise<number> {
  return operate(async ({ direct }) => {
    const subject = `daybook.executions.${VENUE}.${partition}`;
    let count = 0;
    for (let seq = 1; ;) {
      const message = await direct.getMessage(STREAM, { seq, next_by_subj: subject });
      if (message === null) return count;
      count += readReports(message.data).length;
      seq = message.seq + 1;
    }
  });
}

describeWithNats()('with a real broker', () => {
  beforeAll(async () => {
    server = await NatsServer.start();
  });
  afterAll(() => server.close());

  describeExecutionBus('the NATS bus', underTest, { crashes: true, losesDisk: true });

  describe('the NATS bus', () => {
    let opened: NatsBus[];
    beforeEach(async () => {
      opened = [];
      await server.restart('new');
    });
    afterEach(() => Promise.all(opened.map((bus) => bus.close())));

    function open(options: Partial<NatsBusOptions> = {}): NatsBus {
      const bus = new NatsBus({ url: server.url, venue: VENUE, ...options });
      opened.push(bus);
      return bus;
    }
    async function receiving(options: Partial<NatsBusOptions> = {}): Promise<NatsBus> {
      const bus = open(options);
      await bus.resumeAfter(everyPart(0));
      return bus;
    }
    const acknowledging = (work: (manager: EntityManager) => Promise<void>) =>
      work(undefined as unknown as EntityManager);

    it('refuses what there is no room for, loses nothing of what it has, and takes it when there is room', async () => {
      const bus = await receiving({ maxBytes: 2_000_000 });
      const stretches = Array.from({ length: 60 }, (_, index) =>
        stretchOf(0, 500 * index, 500 * index + 500),
      );
      let published = 0;
      const fill = async () => {
        for (const stretch of stretches.slice(published)) {
          await bus.publish([stretch]);
          published += 1;
        }
      };
      await expect(fill()).rejects.toThrow(/maximum bytes/);
      expect(published).toBeGreaterThan(0);
      await expect(bus.publish([stretchOf(0, 0, 1)])).rejects.toThrow(/asked from where to resume/);
      let applied = 0;
      while (published < stretches.length) {
        const { seen, through } = await drain(bus, 0, applied, 1_000, acknowledging);
        expect(seen).toEqual(sequencesOf([stretchOf(0, applied, 500 * published)]));
        applied = through;
        expect(await bus.resumeAfter(everyPart(1_000_000).with(0, applied))).toBe(applied);
        await fill().catch((error: unknown) => expect(String(error)).toMatch(/maximum bytes/));
      }
      expect((await drain(bus, 0, applied, 1_000, acknowledging)).through).toBe(30_000);
    });

    it('refuses a receiver that was replaced, and does not know it', async () => {
      const replaced = await receiving();
      await replaced.publish([stretchOf(0, 0, 10)]);
      const current = await receiving();
      await current.publish([stretchOf(0, 10, 20)]);
      const late = { ...stretchOf(0, 10, 15), reports: [inventedReport(11, { execId: 'of another' })] };
      await expect(replaced.publish([late])).rejects.toThrow(/wrong last sequence/);
      const [, second] = await current.take(0, 0, 1_000);
      expect(second).toEqual(stretchOf(0, 10, 20));
      expect(await countKept(0)).toBe(20);
    });

    it('refuses what would leave a hole', async () => {
      const bus = await receiving();
      await bus.publish([stretchOf(0, 0, 10)]);
      await expect(bus.publish([stretchOf(0, 11, 20)])).rejects.toThrow(/Behind 10 nothing can be published/);
    });

    it('notices that somebody has emptied the stream, or removed it', async () => {
      const bus = await receiving();
      const publishTo = (through: number) =>
        bus.publish(everyPart(0).map((_, part) => stretchOf(part, 0, through)));
      await publishTo(50);
      await operate(({ streams }) => streams.purge(STREAM));
      expect(await bus.resumeAfter(everyPart(0).with(3, 20))).toBe(0);
      await publishTo(60);
      await operate(({ streams }) => streams.delete(STREAM));
      await expect(publishTo(70)).rejects.toThrow();
      expect(await bus.resumeAfter(everyPart(30))).toBe(30);
      await publishTo(80);
      expect((await drain(bus, 4, 30, 1_000)).through).toBe(80);
    });

    it('has what is missing in the middle of a part sent again, once a consumer has missed it', async () => {
      const [publisher, consumer] = [await receiving(), open()];
      for (let after = 0; after < 50; after += 10)
        await publisher.publish(everyPart(0).map((_, part) => stretchOf(part, after, after + 10)));
      await operate(async ({ direct, streams }) => {
        const subject = `daybook.executions.${VENUE}.6`;
        const second = (await direct.getMessage(STREAM, { seq: PARTITIONS + 1, next_by_subj: subject }))?.seq;
        await streams.deleteMessage(STREAM, second as number);
      });
      expect(await consumer.take(6, 0, 1_000)).toEqual([stretchOf(6, 0, 10)]);
      expect((await consumer.take(6, 10, 1_000))[0]?.after).toBe(20);
      const applied = everyPart(50).with(6, 10);
      expect(await publisher.resumeAfter(applied, [6])).toBe(10);
      await publisher.publish(everyPart(0).map((_, part) => stretchOf(part, 10, 60)));
      expect((await drain(consumer, 6, 10, 1_000)).seen).toEqual(sequencesOf([stretchOf(6, 10, 60)]));
      expect((await drain(consumer, 5, 0, 1_000)).through).toBe(60);
    });

    it.each([
      ['is still shorter', 3],
      ['has grown longer', 60],
    ])('goes on reading when the stream was removed and made again, and %s', async (_, stretches) => {
      const [publisher, consumer] = [await receiving(), open()];
      const publishAll = async (from: number, count: number) => {
        for (let after = from; after < from + 10 * count; after += 10)
          await publisher.publish([stretchOf(4, after, after + 10), stretchOf(5, after, after + 10)]);
      };
      await publishAll(0, 20);
      const { through } = await drain(consumer, 4, 0, 1_000);
      expect(through).toBe(200);
      await operate(({ streams }) => streams.delete(STREAM));
      expect(await publisher.resumeAfter(everyPart(200))).toBe(200);
      await publishAll(200, stretches);
      expect((await drain(consumer, 4, through, 1_000)).seen).toEqual(
        sequencesOf([stretchOf(4, 200, 200 + 10 * stretches)]),
      );
    });

    it('leaves a stream as the operator has it, as long as nothing can be lost there', async () => {
      await operate(({ streams }) =>
        streams.add({
          name: STREAM,
          subjects: [`daybook.executions.${VENUE}.*`],
          discard: DiscardPolicy.Old,
          max_age: 1e9,
          max_bytes: 77_777_777,
        }),
      );
      await receiving();
      const { config } = await operate(({ streams }) => streams.info(STREAM));
      expect(config).toMatchObject({ discard: 'new', max_age: 0, max_bytes: 77_777_777, allow_direct: true });
    });

    it('wakes consumers in other processes by itself, and all of them when the broker is lost', async () => {
      const lookEveryMs = 3_600_000;
      const [publisher, consumer] = [await receiving(), open({ lookEveryMs })];
      expect(await consumer.take(5, 0, 1)).toEqual([]);
      const arrival = consumer.arrival([5], new AbortController().signal);
      await publisher.publish([stretchOf(5, 0, 10)]);
      await arrival;
      expect(await consumer.take(5, 0, 100)).toEqual([stretchOf(5, 0, 10)]);
      const loss = consumer.arrival([5], new AbortController().signal);
      await server.kill();
      await loss;
      await server.restart();
    });

    it('tells when there is no broker, and works when there is one', async () => {
      await server.kill();
      const bus = open();
      await expect(bus.resumeAfter(everyPart(0))).rejects.toThrow(/ECONNREFUSED|connection refused/i);
      await expect(bus.take(0, 0, 1)).rejects.toThrow();
      await server.restart();
      expect(await bus.resumeAfter(everyPart(0))).toBe(0);
    });

    it('does nothing any more once it is closed', async () => {
      const bus = await receiving();
      await bus.close();
      await expect(bus.publish([stretchOf(0, 0, 10)])).rejects.toThrow('The bus is closed');
      await expect(bus.take(0, 0, 10)).rejects.toThrow('The bus is closed');
    });

    it.each(['user:p%40ss', 'a-token'])('signs in as the URL says: %s', async (credentials) => {
      const [user, password] = credentials.split(':').map(decodeURIComponent);
      const guard = password === undefined ? `token: "${user}"` : `user: "${user}", password: "${password}"`;
      const guarded = await NatsServer.start(`authorization { ${guard} }`);
      try {
        const url = guarded.url.replace('//', `//${credentials}@`);
        expect(await open({ url }).resumeAfter(everyPart(7))).toBe(7);
        await expect(open({ url: guarded.url }).resumeAfter(everyPart(7))).rejects.toThrow(/authorization/i);
      } finally {
        await guarded.close();
      }
    });
  });

  it('belongs to one venue', () => {
    expect(() => new NatsBus({ url: server.url, venue: 'X.*' })).toThrow(/cannot be part of a subject/);
  });
});
