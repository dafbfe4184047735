import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import type { EntityManager } from 'typeorm';

import type { BusUnderTest } from '../../../../test/support/execution-bus-bench.js';
import { describeExecutionBus } from '../../../../test/support/execution-bus-conformance.js';
import { describeWithNats, NatsServer } from '../../../../test/support/nats-server.js';
import { NatsBus } from './nats-bus.js';
import { readHead, readReports } from './nats-messages.js';

const VENUE = 'XTEST';

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

/** How many reports the broker has of a part. */
async function countKept(partition: number): Promise<number> {
  const connection = await connect({ servers: server.url.slice('nats://'.length) });
  const manager = await jetstreamManager(connection);
  let count = 0;
  for (let seq = 1; ;) {
    const query = { seq, next_by_subj: `daybook.executions.${VENUE}.${partition}` };
    const message = await manager.direct.getMessage(`daybook-executions-${VENUE}`, query);
    if (message === null) break;
    readHead(message.header);
    count += readReports(message.data).length;
    seq = message.seq + 1;
  }
  await connection.close();
  return count;
}

describeWithNats()('with a real broker', () => {
  beforeAll(async () => {
    server = await NatsServer.start();
  });
  afterAll(() => server.close());

  describeExecutionBus('the NATS bus', underTest, { crashes: true, losesDisk: true });
});
