import { SharedLeases } from '@daybook/platform';

import { startTestApp } from '../../../../test/support/app.js';
import { createTestDatabase } from '../../../../test/support/database.js';
import { TcpProxy } from '../../../../test/support/tcp-proxy.js';
import { waitFor } from '../../../../test/support/wait-for.js';
import { PARTITIONS } from '../execution-bus.js';
import { ExecutionConsumer } from './execution-consumer.js';

const { jest } = import.meta;

it('a consumer ends though the database has fallen silent', async () => {
  const database = await createTestDatabase();
  const network = await TcpProxy.before(database.url);
  const silent = await startTestApp({
    DAYBOOK_ROLES: 'api,consumer',
    DATABASE_URL: network.through(database.url),
    EXCHANGE_URL: 'http://127.0.0.1:1',
    LOG_LEVEL: 'fatal',
  });
  await waitFor('it to have all parts', async () => {
    const parts = await database.query(`SELECT FROM leases WHERE name ~ '^executions/XSIM/\\d$'`);
    return parts.length === PARTITIONS;
  });
  network.freeze();
  // Never answered, whether or not a connection was free for it.
  const beating = jest.spyOn(SharedLeases.prototype, 'beat').mockReturnValue(new Promise(() => undefined));
  await waitFor('a beat', () => beating.mock.calls.length > 0);
  beating.mockRestore();
  const consumer = silent.app.get(ExecutionConsumer, { strict: false });
  await expect(consumer.drain()).resolves.toBeUndefined();
  network.thaw();
  await silent.stop();
  await network.close();
  await database.drop();
});
