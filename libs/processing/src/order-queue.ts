import { Inject, Injectable, Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { type CommandResponse, type Job, PgBoss } from 'pg-boss';
import { DataSource, type EntityManager } from 'typeorm';

import { toStoredNumber } from '@daybook/id-generator';
import type { OrderId, OrderPriority } from '@daybook/orders';
import { CONFIG, type DaybookConfig, prepared, together, type TraceHeaders } from '@daybook/platform';

import { inTransactionOf, outsideTransactions } from './job-connections.js';
import { HIGHEST_NORMAL_RANK, rankOf } from './order-rank.js';
import { DEAD_ORDERS_QUEUE, ORDERS_QUEUE, type QueueName, QUEUES } from './queue-names.js';
import { setUpQueues } from './queue-setup.js';

const PASSED_OVER_SECONDS = 1;

/** What pg-boss tells one attempt of a job from another by. */
export type JobAttempt = Pick<Job, 'id' | 'retryCount'>;

/** An order that was taken from the queue. */
export interface QueuedAttempt extends JobAttempt {
  readonly orderId: OrderId;
  /** Of the request that made the order pending; absent unless that was traced. */
  readonly trace?: TraceHeaders | undefined;
}

/** An order as an attempt took it: at any later version somebody else has it, or nobody. */
export interface HeldOrder {
  readonly orderId: OrderId;
  readonly version: number;
}

interface OrderJob {
  readonly orderId: OrderId;
  readonly trace?: TraceHeaders | undefined;
}

/** An order that is to have a job. */
export interface OrderToEnqueue {
  readonly id: OrderId;
  readonly priority: OrderPriority;
  readonly trace?: TraceHeaders | undefined;
}

const OLDEST_NORMAL = `
  SELECT (created_on < now() - make_interval(secs => $1)) AS "isAged" FROM pgboss.job
  WHERE name = '${ORDERS_QUEUE}' AND state < 'active' AND NOT blocked AND start_after <= now()
    AND priority <= ${HIGHEST_NORMAL_RANK}
  ORDER BY priority DESC, created_on LIMIT 1`;

// As pg-boss itself gives back a job that it has fetched and not begun: without `started_on` the next fetch does not count
// as another attempt.
const RELEASE = `
  UPDATE pgboss.job SET state = 'created', started_on = CASE WHEN $2 THEN started_on END, heartbeat_on = NULL,
    start_after = greatest(start_after, now() + make_interval(secs => $3))
  WHERE name = '${ORDERS_QUEUE}' AND id = ANY($1::uuid[]) AND state = 'active' RETURNING 1`;

// A deferred attempt is alive until its time is up, without anybody who says so.
const DEFER = `
  UPDATE pgboss.job SET heartbeat_on = now() + make_interval(secs => $3), output = '{"deferred": true}'
  WHERE name = '${ORDERS_QUEUE}' AND id = job_id_of($1) AND state = 'active'
    AND EXISTS (SELECT FROM orders WHERE orders.id = $1 AND orders.version = $2)`;

// The order's version tells whose attempt it is; a job that was made anew for the order looks like the one before it.
// Jobs that are just being settled are passed over: to wait for one while holding others could be a deadlock.
const KEEP_ALIVE = `
  WITH held AS (
    SELECT position, job_id_of(held.order_id) AS id, orders.version IS NOT DISTINCT FROM held.version AS is_held
    FROM unnest($1::bigint[], $2::int[]) WITH ORDINALITY AS held (order_id, version, position)
    LEFT JOIN orders ON orders.id = held.order_id AND orders.id = ANY($1::bigint[])),
  alive AS (
    UPDATE pgboss.job SET heartbeat_on = now()
    WHERE name = '${ORDERS_QUEUE}' AND id IN (
      SELECT id FROM pgboss.job
      WHERE name = '${ORDERS_QUEUE}' AND state = 'active' AND id IN (SELECT id FROM held WHERE is_held)
      FOR NO KEY UPDATE SKIP LOCKED))
  SELECT position::int FROM held WHERE NOT is_held`;

/**
 * The jobs behind the orders, in pg-boss's own tables in the same database. One job per order at most, under an id that is
 * made from the order's number; it is there as long as there is work to do. What gives, takes or settles jobs takes part in a
 * transaction of the caller's, in which the order moves as well.
 */
@Injectable()
export class OrderQueue implements OnModuleInit, OnApplicationShutdown {
  private readonly logger = new Logger('OrderQueue');
  private readonly boss: PgBoss;

  constructor(
    @Inject(DataSource) private readonly database: DataSource,
    @Inject(CONFIG) private readonly config: DaybookConfig,
  ) {
    // Its own supervision stays off: it would retry and expire jobs without their orders. `ReclaimOrders` does that.
    this.boss = new PgBoss({ db: outsideTransactions(database), supervise: false, schedule: false });
    this.boss.on('error', (error) => this.logger.warn({ err: error, message: 'pg-boss reports an error' }));
  }

  async onModuleInit(): Promise<void> {
    await setUpQueues(this.database, this.config, (orders, manager) => this.enqueue(orders, manager));
    await this.boss.start();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.boss.stop({ graceful: false, close: false });
  }

  async enqueue(orders: readonly OrderToEnqueue[], manager: EntityManager): Promise<void> {
    if (orders.length === 0) return;
    const jobs = orders.map((order) => ({
      id: jobIdOf(order.id),
      priority: rankOf(order),
      data: { orderId: order.id, trace: order.trace } satisfies OrderJob,
    }));
    await this.boss.insert(ORDERS_QUEUE, jobs, { db: inTransactionOf(manager) });
  }

  /** Removes whatever jobs these orders have, dead ones too. */
  async withdraw(
    orderIds: readonly OrderId[],
    manager: EntityManager,
    queues: readonly QueueName[] = QUEUES,
  ): Promise<void> {
    if (orderIds.length === 0) return;
    const ids = orderIds.map(jobIdOf);
    const db = inTransactionOf(manager);
    await together(...queues.map((name) => this.boss.deleteJob(name, ids, { db })));
  }

  /**
   * Takes the next orders: high before normal, lowest number first; those that another transaction is just taking are
   * passed over. Nothing while the queue is paused.
   */
  async take(
    count: number,
    manager: EntityManager,
    { onlyNormal = false } = {},
  ): Promise<readonly QueuedAttempt[]> {
    const jobs = await this.boss.fetch<OrderJob>(ORDERS_QUEUE, {
      batchSize: count,
      ...(onlyNormal && { maxPriority: HIGHEST_NORMAL_RANK }),
      db: inTransactionOf(manager),
    });
    return jobs.map(({ id, retryCount, data: { orderId, trace } }) => ({ id, retryCount, orderId, trace }));
  }

  /** The work is done: the job goes. Settled as a whole or not at all, as everything here. */
  async complete(attempts: readonly JobAttempt[], manager: EntityManager): Promise<void> {
    if (attempts.length === 0) return;
    const db = inTransactionOf(manager);
    expectAll(await this.boss.deleteJob(ORDERS_QUEUE, [...attempts], { db }));
  }

  /** They wait a while, the longer the more attempts there have been, and are handed out again. */
  async retryLater(attempts: readonly JobAttempt[], manager: EntityManager): Promise<void> {
    if (attempts.length === 0) return;
    expectAll(await this.boss.fail(ORDERS_QUEUE, [...attempts], undefined, { db: inTransactionOf(manager) }));
  }

  /** They are handed out again at once, as another attempt. */
  async retryNow(attempts: readonly JobAttempt[], manager: EntityManager): Promise<void> {
    await this.release(attempts, { isCounted: true }, manager);
  }

  /** They are handed out again at once, as if they had not been taken. */
  async putBack(attempts: readonly JobAttempt[], manager: EntityManager): Promise<void> {
    await this.release(attempts, { isCounted: false }, manager);
  }

  /** As {@link putBack}, after a moment in which others get their turn: these orders are held by somebody. */
  async passOver(attempts: readonly JobAttempt[], manager: EntityManager): Promise<void> {
    await this.release(attempts, { isCounted: false, delaySeconds: PASSED_OVER_SECONDS }, manager);
  }

  /** The orders have failed: their jobs move to the dead ones, each with the reason. */
  async bury(
    attempts: readonly (QueuedAttempt & { readonly reason: string })[],
    manager: EntityManager,
  ): Promise<void> {
    if (attempts.length === 0) return;
    await this.complete(attempts, manager);
    const jobs = attempts.map(({ id, orderId, retryCount, reason }) => ({
      id,
      data: { orderId, attempts: retryCount + 1, reason } satisfies DeadOrder,
    }));
    await this.boss.insert(DEAD_ORDERS_QUEUE, jobs, { db: inTransactionOf(manager) });
  }

  /**
   * Tells that these attempts are alive.
   * @returns those that do not hold their order any more: somebody else may have it
   */
  async keepAlive<A extends HeldOrder>(attempts: readonly A[]): Promise<readonly A[]> {
    if (attempts.length === 0) return [];
    const rows = (await this.database.query(KEEP_ALIVE, [
      attempts.map(({ orderId }) => toStoredNumber(orderId)),
      attempts.map(({ version }) => version),
    ])) as { position: number }[];
    return rows.map(({ position }) => attempts[position - 1] as A);
  }

  /** The attempt needs nobody to keep it alive, for so long; then it counts as timed out. */
  async defer({ orderId, version }: HeldOrder, seconds: number): Promise<void> {
    const { leaseSeconds } = this.config.processing;
    await this.database.query(DEFER, [toStoredNumber(orderId), version, seconds - leaseSeconds]);
  }

  /** Whether the next normal order has waited for longer than it should. */
  async hasAgedNormalOrder(): Promise<boolean> {
    const rows = (await this.database.query(OLDEST_NORMAL, [this.config.processing.agingSeconds])) as {
      isAged: boolean;
    }[];
    return rows[0]?.isAged ?? false;
  }

  private async release(
    attempts: readonly JobAttempt[],
    { isCounted, delaySeconds = 0 }: { isCounted: boolean; delaySeconds?: number },
    manager: EntityManager,
  ): Promise<void> {
    if (attempts.length === 0) return;
    const ids = attempts.map(({ id }) => id);
    const rows = await prepared(manager, 'order-queue/release', RELEASE, [ids, isCounted, delaySeconds]);
    expectAll({ requested: ids.length, affected: rows.length });
  }
}

/** Dead jobs tell why. */
export interface DeadOrder extends OrderJob {
  readonly attempts: number;
  readonly reason: string;
}

/** Its number in hexadecimal, which `job_id_of()` makes in SQL. */
export function jobIdOf(orderId: OrderId): string {
  const hex = BigInt(toStoredNumber(orderId) as string)
    .toString(16)
    .padStart(32, '0');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** What pg-boss answers, beyond what its types tell. */
interface Settled extends CommandResponse {
  readonly requested: number;
  readonly affected: number;
}

/** In this transaction the order is locked and at the attempt's version, so its job cannot be another's. */
function expectAll(response: CommandResponse): void {
  const { requested, affected } = response as Settled;
  if (affected !== requested) throw new Error(`${requested - affected} orders have lost their jobs`);
}
