import { PgBoss } from 'pg-boss';
import type { DataSource, EntityManager } from 'typeorm';

import { fromStoredNumber } from '@daybook/id-generator';
import type { OrderId, OrderPriority } from '@daybook/orders';
import { type DaybookConfig, inTransaction } from '@daybook/platform';

import { DEAD_ORDERS_QUEUE, ORDERS_QUEUE } from './queue-names.js';

// pg-boss installs itself only if it is not there yet, and so does another process that has looked at the same time.
const SETUP_LOCK = 7_237_011;

// The number of attempts is decided when one has ended, so that a new setting counts for orders that are under way.
const RETRY_LIMIT = 1_000;
const LONGEST_RETRY_DELAY_SECONDS = 300;

// As long as it takes: the tables of an old database may need to be rewritten.
const WITHOUT_LIMITS = `
  SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0`;

const ADOPTED = `SELECT adopted_at IS NOT NULL AS "isAdopted" FROM order_queues WHERE name = '${ORDERS_QUEUE}'`;
const ADOPT = `UPDATE order_queues SET adopted_at = business_now() WHERE name = '${ORDERS_QUEUE}'`;
const PENDING = `
  SELECT id::text AS stored, priority FROM orders WHERE status = 'pending' AND id > $1 ORDER BY id LIMIT 10000`;

type Enqueue = (
  orders: readonly { readonly id: OrderId; readonly priority: OrderPriority }[],
  manager: EntityManager,
) => Promise<void>;

/**
 * Installs or upgrades pg-boss, makes the queues, and gives the orders of a database that is older than they are their
 * jobs: of several processes that start at once, one at a time, and all of it again if it was cut short.
 */
export async function setUpQueues(
  database: DataSource,
  config: DaybookConfig,
  enqueue: Enqueue,
): Promise<void> {
  await inTransaction(database, async (manager) => {
    await manager.query(WITHOUT_LIMITS);
    await manager.query('SELECT pg_advisory_xact_lock($1)', [SETUP_LOCK]);
    const table = await install(config);
    // Whoever takes orders back from dead workers looks for the oldest sign of life among the active jobs alone.
    await manager.query(
      `CREATE INDEX IF NOT EXISTS active_orders ON pgboss.${table} (heartbeat_on) WHERE state = 'active'`,
    );
    await adoptPendingOrders(enqueue, manager);
  });
}

/** On a connection of its own, without the limits that statements have in daily business. @returns the table of the jobs */
async function install({ databaseUrl, processing }: DaybookConfig): Promise<string> {
  const boss = new PgBoss({
    ...(databaseUrl !== undefined && { connectionString: databaseUrl }),
    max: 1,
    supervise: false,
    schedule: false,
  });
  // What matters is thrown by the calls below.
  boss.on('error', () => undefined);
  try {
    await boss.start();
    for (const name of [DEAD_ORDERS_QUEUE, ORDERS_QUEUE]) await boss.createQueue(name, { partition: true });
    await boss.updateQueue(ORDERS_QUEUE, {
      retryLimit: RETRY_LIMIT,
      retryBackoff: true,
      retryDelay: processing.retryDelaySeconds,
      retryDelayMax: LONGEST_RETRY_DELAY_SECONDS,
    });
    const queue = await boss.getQueue(ORDERS_QUEUE);
    if (queue === null) throw new Error(`pg-boss has not made the queue ${ORDERS_QUEUE}`);
    return queue.table;
  } finally {
    await boss.stop({ graceful: false });
  }
}

async function adoptPendingOrders(enqueue: Enqueue, manager: EntityManager): Promise<void> {
  const [queue] = (await manager.query(ADOPTED)) as [{ isAdopted: boolean }];
  if (queue.isAdopted) return;
  for (let last = '0'; ;) {
    const rows = (await manager.query(PENDING, [last])) as { stored: string; priority: OrderPriority }[];
    const orders = rows.map(({ stored, priority }) => ({ id: fromStoredNumber(stored), priority }));
    if (orders.length === 0) break;
    await enqueue(orders, manager);
    last = rows.at(-1)?.stored as string;
  }
  await manager.query(ADOPT);
}
