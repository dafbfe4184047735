import { setTimeout as pause } from 'node:timers/promises';

import { CONFIG, type DaybookConfig, Leases } from '@daybook/platform';
import { Logger } from '@nestjs/common';
import { DataSource } from 'typeorm';

import { startTestApp, type TestApp } from '../../../../test/support/app.js';
import { inventedReport } from '../../../../test/support/execution-stretches.js';
import { waitFor } from '../../../../test/support/wait-for.js';
import { PostgresBus } from '../buses/postgres-bus.js';
import type { ExchangeGateway } from '../exchange-gateway.js';
import { type ExecutionBus, PARTITIONS, type Stretch } from '../execution-bus.js';
import { ExecutionOffsets } from '../execution-offsets.js';
import type { ExecutionReport } from '../execution-report.js';
import { StreamMetrics } from '../stream-metrics.js';
import { ExecutionReceiver } from './execution-receiver.js';

const { jest } = import.meta;

let daybook: TestApp;
let receivers: ExecutionReceiver[] = [];
beforeAll(async () => {
  daybook = await startTestApp({ DAYBOOK_ROLES: 'api' });
});
afterAll(() => daybook.stop());
beforeEach(() =>
  daybook.database.query(
    'TRUNCATE execution_inbox, execution_offsets, execution_marks, execution_streams, leases',
  ),
);
afterEach(async () => {
  await Promise.all(receivers.map((receiver) => receiver.drain()));
  receivers = [];
});

type Frame = readonly number[] | 'cut' | 'wait';

/** A venue that sends what it is told to: for each connection a list of frames, the last list for all that follow. */
class ScriptedVenue {
  readonly venue = 'XSIM';
  readonly askedAfter: number[] = [];
  sent = 0;

  constructor(private readonly script: (after: number, connection: number) => Iterable<Frame>) {}

  async *reports(after: number, signal: AbortSignal): AsyncGenerator<readonly ExecutionReport[]> {
    this.askedAfter.push(after);
    for (const frame of this.script(after, this.askedAfter.length)) {
      if (signal.aborted) return;
      if (frame === 'cut') throw new Error('the connection broke');
      if (frame === 'wait') await pause(5);
      else {
        this.sent += frame.length;
        yield frame.map((sequence) => inventedReport(sequence));
      }
    }
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
  }
}

function start(venue: ScriptedVenue, bus: ExecutionBus = busOf()): ExecutionReceiver {
  const { app } = daybook;
  const config = { ...app.get<DaybookConfig>(CONFIG), roles: ['receiver'] } as DaybookConfig;
  const offsets = app.get(ExecutionOffsets, { strict: false });
  const metrics = app.get(StreamMetrics, { strict: false });
  const gateway = venue as unknown as ExchangeGateway;
  const receiver = new ExecutionReceiver(config, app.get(Leases), bus, offsets, metrics, gateway);
  receivers.push(receiver);
  receiver.onApplicationBootstrap();
  return receiver;
}
const busOf = () => new PostgresBus(daybook.app.get(DataSource));

const range = (from: number, through: number) =>
  Array.from({ length: through - from + 1 }, (_, index) => from + index);

/** What the bus has of all parts, put together. */
async function received(): Promise<number[]> {
  const taken: Stretch[] = [];
  for (let part = 0; part < PARTITIONS; part += 1) taken.push(...(await busOf().take(part, 0, 1_000_000)));
  const sequences = taken.flatMap(({ reports }) => reports.map(({ sequence }) => sequence));
  return [...new Set(sequences)].sort((a, b) => a - b);
}
const whenReceived = (through: number) =>
  waitFor(`everything up to ${through}`, async () => {
    const sequences = await received();
    return sequences.length === through && sequences.at(-1) === through;
  });
const longAgo = () => daybook.database.query(`UPDATE execution_streams SET flowing_at = '2000-01-01'`);
/** Whether that has been noted since it was said to be long ago. */
async function isFlowing(): Promise<boolean> {
  return (
    (await daybook.database.query(`SELECT FROM execution_streams WHERE flowing_at > '2000-01-01'`)).length > 0
  );
}
const applied = (...parts: number[]) =>
  daybook.database.query(
    `INSERT INTO execution_offsets (venue, partition, applied) SELECT 'XSIM', ordinality - 1, applied
     FROM unnest($1::bigint[]) WITH ORDINALITY AS part (applied, ordinality)`,
    [parts],
  );

describe('the receiver', () => {
  it('passes the stream on in order, whatever becomes of it on the way', async () => {
    const venue = new ScriptedVenue(() => [[2, 1, 1], [4, 3], range(5, 300), [300, 299], [302], [301]]);
    start(venue);
    await whenReceived(302);
    expect(venue.askedAfter).toEqual([0]);
    await waitFor('every part to be as far', async () => (await busOf().resumeAfter([])) === 302);
    await waitFor('that to be noted', async () => {
      const [row] = await daybook.database.query(
        'SELECT received::int, connections::int FROM execution_streams',
      );
      return row?.['received'] === 302 && row['connections'] === 1;
    });
  });

  it('asks again for what is missing and does not come', async () => {
    const venue = new ScriptedVenue((after, connection) =>
      connection === 1 ? [range(1, 50), range(60, 100)] : [range(after + 1, 100)],
    );
    start(venue);
    await whenReceived(100);
    expect(venue.askedAfter).toEqual([0, 50]);
  });

  it('connects again when the connection breaks, and goes on where the bus ends', async () => {
    const venue = new ScriptedVenue((after, connection) =>
      connection <= 3 ? [range(after + 1, after + 20), 'wait', 'cut'] : [range(after + 1, 100)],
    );
    start(venue);
    await whenReceived(100);
    expect(venue.askedAfter).toEqual([0, 20, 40, 60]);
  });

  it('goes on where the bus ends or what is applied, whichever is further', async () => {
    await applied(40, 50, 40, 40, 40, 40, 40, 40);
    const venue = new ScriptedVenue((after) => [range(after + 1, 60)]);
    start(venue);
    await waitFor('a connection', () => venue.askedAfter.length > 0);
    expect(venue.askedAfter).toEqual([40]);
  });

  it('has sent again what the bus has lost', async () => {
    const venue = new ScriptedVenue((after) => (after < 100 ? [range(after + 1, 100)] : []));
    start(venue);
    await whenReceived(100);
    await daybook.database.query('TRUNCATE execution_inbox');
    await whenReceived(100);
    expect(venue.askedAfter).toEqual([0, 0]);
  });

  it('has sent again what a consumer misses, even if the bus knows nothing of it', async () => {
    const venue = new ScriptedVenue((after) => [range(after + 1, 100)]);
    const bus: ExecutionBus = busOf();
    const told: unknown[] = [];
    const resumeAfter = bus.resumeAfter.bind(bus);
    bus.resumeAfter = (applied, lost) => {
      told.push(lost);
      return resumeAfter(applied, lost);
    };
    start(venue, bus);
    await whenReceived(100);
    await daybook.database.query('UPDATE execution_offsets SET lost_after = applied WHERE partition = 2');
    await waitFor('it to be asked for', () => venue.askedAfter.length > 1);
    expect(venue.askedAfter.slice(0, 2)).toEqual([0, 0]);
    expect([told[0], told.at(-1)]).toEqual([[], [2]]);
  });

  it('tells what the venue does not send, and that the stream stands still', async () => {
    const complaints = jest.spyOn(Logger.prototype, 'error').mockImplementation(() => undefined);
    const venue = new ScriptedVenue((after) =>
      after < 50 ? [range(1, 50), range(52, 60)] : [[], range(52, 60)],
    );
    start(venue);
    await waitFor('it to be asked for', () => venue.askedAfter.at(-1) === 50);
    await longAgo();
    const before = venue.askedAfter.length;
    await waitFor('it to be asked for twice', () => venue.askedAfter.length > before + 2);
    expect(complaints.mock.calls.map(([words]) => String((words as { err: Error }).err.message))).toEqual([
      'The venue does not send report 51, only later ones',
    ]);
    complaints.mockRestore();
    expect(await isFlowing()).toBe(false);
  });

  it('says once a second that a quiet stream flows, but not before the connection stands', async () => {
    let isOpen = false;
    const venue = new ScriptedVenue(function* () {
      while (!isOpen) yield 'wait';
      yield [];
    });
    const bus = busOf();
    let ticks = 0;
    const publish = bus.publish.bind(bus);
    bus.publish = (stretches) => {
      ticks += 1;
      return publish(stretches);
    };
    start(venue, bus);
    await waitFor('a connection', () => venue.askedAfter.length > 0);
    await longAgo();
    await waitFor('two seconds', () => ticks >= 2);
    expect(await isFlowing()).toBe(false);
    isOpen = true;
    await waitFor('it to flow', isFlowing);
  });

  it('does not say so when the bus takes nothing, even if there is nothing to take', async () => {
    const venue = new ScriptedVenue(() => [[]]);
    const bus = busOf();
    bus.publish = () => Promise.reject(new Error('no such bus'));
    start(venue, bus);
    await waitFor('a connection', () => venue.askedAfter.length > 0);
    await longAgo();
    await waitFor('it to be tried again twice', () => venue.askedAfter.length > 2);
    expect(await isFlowing()).toBe(false);
  });

  it('reads no faster than the bus takes', async () => {
    const venue = new ScriptedVenue(function* () {
      for (let from = 1; from <= 200_000; from += 500) yield range(from, from + 499);
    });
    const bus = busOf();
    const open = Promise.withResolvers<void>();
    const publish = bus.publish.bind(bus);
    bus.publish = async (stretches) => {
      await open.promise;
      await publish(stretches);
    };
    start(venue, bus);
    await waitFor('the receiver to be full', () => venue.sent >= 20_000);
    for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
    expect(venue.sent).toBeLessThan(30_000);
    open.resolve();
    await waitFor('the rest', async () => (await busOf().resumeAfter([])) === 200_000);
  });

  it('is one at a time, and followed by another at once when it stops', async () => {
    const script = (after: number) => [range(after + 1, after + 50)];
    const [one, two] = [new ScriptedVenue(script), new ScriptedVenue(script)];
    const first = start(one);
    await whenReceived(50);
    start(two);
    await waitFor('the second to have asked for the lease', async () => {
      const calls = await daybook.database.query(`SELECT FROM leases WHERE holder IS NOT NULL`);
      return calls.length === 1;
    });
    expect(two.askedAfter).toEqual([]);
    await first.drain();
    await whenReceived(100);
    expect(two.askedAfter).toEqual([50]);
  });

  it('lets another one try when it comes to nothing for a while', async () => {
    const unreachable = new ScriptedVenue(() => ['cut']);
    const first = start(unreachable);
    first.patienceMs = 500;
    await waitFor('an attempt', () => unreachable.askedAfter.length > 0);
    const reachable = new ScriptedVenue((after) => [range(after + 1, 50)]);
    start(reachable);
    await whenReceived(50);
    expect(reachable.askedAfter).toEqual([0]);
  });
});
