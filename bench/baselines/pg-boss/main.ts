// pg-boss as its documentation advises for throughput: batches, fetched again at once as long as they come back full.
import { createServer } from 'node:http';
import { PgBoss } from 'pg-boss';

const { DATABASE_URL = '', PORT = '0', QUEUE = '', BATCH_SIZE = '10', LOCAL_CONCURRENCY = '1' } = process.env;

const boss = new PgBoss({ connectionString: DATABASE_URL, max: 20 });
boss.on('error', (error) => console.error(error));
await boss.start();
await boss.work(
  QUEUE,
  {
    batchSize: Number(BATCH_SIZE),
    localConcurrency: Number(LOCAL_CONCURRENCY),
    pollingIntervalSeconds: 0.5,
    burstWhenBatchFull: true,
  },
  async () => undefined,
);

// The benchmark asks for it before it trusts the process to be there.
const server = createServer((_request, response) => response.end()).listen(Number(PORT), '127.0.0.1');
process.once('SIGTERM', () => {
  server.close();
  void boss.stop({ graceful: true }).then(() => process.exit(0));
});
