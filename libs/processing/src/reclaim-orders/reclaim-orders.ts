import { Inject, Injectable, Logger } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { DataSource } from 'typeorm';

import { fromStoredNumber } from '@daybook/id-generator';
import { CONFIG, type DaybookConfig, DomainError, inSpan, systemContext } from '@daybook/platform';

import { type HeldAttempt, requestIdOf } from '../attempt.js';
import { ORDERS_QUEUE } from '../queue-names.js';
import { SettleAttempts } from '../settle-attempts.js';

const LOOK_EVERY_MS = 1_000;
const SLOW_MS = 2_000;
const BATCH_SIZE = 100;

// Served by the index active_orders: what is active and has been heard of is not looked at.
const WITHOUT_SIGN_OF_LIFE = `
  SELECT orders.id::text AS stored, orders.version, job.id, job.retry_count AS "retryCount",
    job.output IS NOT NULL AND job.output ? 'deferred' AS "isDeferred", job.data -> 'trace' AS trace
  FROM pgboss.job AS job JOIN orders ON orders.id = order_id_of(job.id)
  WHERE job.name = '${ORDERS_QUEUE}' AND job.state = 'active'
    AND job.heartbeat_on < now() - make_interval(secs => $1) AND orders.status = 'processing'
  ORDER BY job.heartbeat_on LIMIT ${BATCH_SIZE}`;

type Abandoned = Omit<HeldAttempt, 'orderId'> & { readonly stored: string; readonly isDeferred: boolean };

/**
 * Takes orders back from workers that were not heard of for the length of a lease, and from services that did not call
 * back in time. Every worker process looks, once a second; of several that find the same order, one settles it.
 */
@Injectable()
export class ReclaimOrders {
  private readonly logger = new Logger('Processing');
  private looking: Promise<void> | undefined;
  private isCutOff = false;
  private notBefore = 0;

  constructor(
    @Inject(DataSource) private readonly database: DataSource,
    private readonly settlements: SettleAttempts,
    @Inject(CONFIG) private readonly config: DaybookConfig,
  ) {}

  /** Never rejects. */
  @Interval('reclaim-orders', LOOK_EVERY_MS)
  async beat(): Promise<void> {
    if (!this.config.roles.includes('worker') || performance.now() < this.notBefore) return;
    this.looking ??= this.reclaim()
      .catch((error: unknown) => {
        if (!this.isCutOff) this.logger.warn({ err: error, message: 'Abandoned orders were not looked for' });
        this.isCutOff = true;
      })
      .finally(() => (this.looking = undefined));
    await this.looking;
  }

  private async reclaim(): Promise<void> {
    const { leaseSeconds } = this.config.processing;
    const began = performance.now();
    const rows = (await this.database.query(WITHOUT_SIGN_OF_LIFE, [leaseSeconds])) as Abandoned[];
    const wasAway = this.isCutOff || performance.now() - began > SLOW_MS;
    this.isCutOff = false;
    if (wasAway) this.waitForSignsOfLife();
    else await Promise.all(rows.map((row) => this.settle(row)));
  }

  /**
   * While the database is away nobody can give signs of life: once it is back, all workers that live get the time of a lease
   * to do so.
   */
  private waitForSignsOfLife(): void {
    this.notBefore = performance.now() + this.config.processing.leaseSeconds * 1_000;
  }

  private async settle({ stored, isDeferred, ...job }: Abandoned): Promise<void> {
    const attempt = { ...job, orderId: fromStoredNumber(stored) };
    const { orderId } = attempt;
    const verdict = isDeferred
      ? ({ outcome: 'timed_out', reason: 'The service did not call back in time.' } as const)
      : ({ outcome: 'abandoned', reason: 'Its worker was not heard of any more.' } as const);
    try {
      const span = { parent: attempt.trace ?? 'none', attributes: { 'daybook.order.id': orderId } } as const;
      await inSpan('take back', span, () =>
        this.settlements.settle(attempt, verdict, systemContext(requestIdOf(attempt))),
      );
      this.logger.warn({ orderId, ...verdict, message: 'An order was taken back' });
    } catch (error) {
      // Another process has taken it back, or its worker was alive after all. Or there was no time: then there will be.
      if (!(error instanceof DomainError)) throw error;
      this.logger.debug({ orderId, message: `An order was not taken back: ${error.message}` });
    }
  }
}
