import { Inject, Injectable, Logger } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';

import { type HeldLease, Leases, prepared, together, WritePath } from '@daybook/platform';

import type { ExecutionReport } from '../execution-report.js';
import { StateLog } from '../state-log.js';
import { StreamMetrics } from '../stream-metrics.js';
import { type AppliedCounts, type AppliedReports, ApplyToOrders, PAUSE_AT_MOST } from './apply-to-orders.js';
import { isPoison, poisonReason } from './poison.js';

/** So much is looked through, or put aside, at a time, and so often in a sweep: however many are parked, each ends soon. */
const REPORTS_AT_ONCE = 1_000;
const TIMES = 20;
const ORDERS_AT_ONCE = 200;

const PAGE = `
  SELECT order_id::text AS "orderId", exec_id AS "execId" FROM parked_executions
  WHERE venue = $1 AND (order_id, exec_id) > ($2::bigint, $3) ORDER BY order_id, exec_id LIMIT ${REPORTS_AT_ONCE}`;

const FIND_KNOWN = `SELECT id::text AS "orderId" FROM exchange_orders WHERE id = ANY($1::bigint[])`;

const TAKE_OLD = `
  WITH old AS MATERIALIZED (
    SELECT venue, order_id, exec_id FROM parked_executions
    WHERE parked_at < (SELECT business_now()) - interval '1 day' AND venue = $1
    ORDER BY parked_at LIMIT ${REPORTS_AT_ONCE} FOR UPDATE SKIP LOCKED)
  DELETE FROM parked_executions parked USING old
  WHERE parked.venue = old.venue AND parked.order_id = old.order_id AND parked.exec_id = old.exec_id
  RETURNING parked.report`;

const COUNT = `
  UPDATE execution_offsets SET recorded = recorded + $2::int, duplicates = duplicates + $3::int,
    quarantined = quarantined + $4::int WHERE venue = $1 AND partition = 0`;

interface ParkedKey {
  readonly orderId: string;
  readonly execId: string;
}

const BEFORE_ALL: ParkedKey = { orderId: '0', execId: '' };

/**
 * Reports that came before their order was known: applied when it is, even if nothing else comes of it, and after a day shown to a
 * person.
 */
@Injectable()
export class ParkedReports {
  private readonly logger = new Logger('Executions');
  private readonly logs = {
    old: new StateLog(
      this.logger,
      'Parked executions are not quarantined until this is over',
      'Parked executions are quarantined again',
    ),
    known: new StateLog(
      this.logger,
      'Parked executions are not applied until this is over',
      'Parked executions are applied again',
    ),
  };
  /** Up to where the last sweep has looked for orders that are known now. */
  private reached = BEFORE_ALL;

  constructor(
    @Inject(DataSource) private readonly database: DataSource,
    private readonly writePath: WritePath,
    private readonly toOrders: ApplyToOrders,
    private readonly leases: Leases,
    private readonly metrics: StreamMetrics,
  ) {}

  /** Never rejects. @param lease the right to do it */
  async sweep(venue: string, lease: HeldLease, signal: AbortSignal): Promise<void> {
    for (const [log, work] of [
      [this.logs.old, () => this.quarantineOld(venue, lease)],
      [this.logs.known, () => this.applyKnown(venue, lease)],
    ] as const)
      try {
        for (let time = 0; time < TIMES && !signal.aborted; time += 1) if (!(await work())) break;
        log.succeed();
      } catch (error) {
        log.fail(error);
      }
  }

  /** @returns whether there may be more */
  private async quarantineOld(venue: string, lease: HeldLease): Promise<boolean> {
    const { duplicates, quarantined } = await this.change(venue, lease, async (manager) => {
      const old = await prepared<{ report: ExecutionReport }>(manager, 'parked/take-old', TAKE_OLD, [venue]);
      const refused = old.map(({ report }) => ({ report, reason: 'no such order, for a day' }));
      return this.toOrders.refuse(venue, refused, manager);
    });
    return duplicates + quarantined === REPORTS_AT_ONCE;
  }

  /** Applies what is known now of the next ones. @returns whether there may be more */
  private async applyKnown(venue: string, lease: HeldLease): Promise<boolean> {
    const { orderId, execId } = this.reached;
    const page = (await this.database.query(PAGE, [venue, orderId, execId])) as ParkedKey[];
    const orderIds = [...new Set(page.map((key) => key.orderId))];
    const known = (await this.database.query(FIND_KNOWN, [orderIds])) as { orderId: string }[];
    const knownIds = known.map((row) => row.orderId);
    for (let from = 0; from < knownIds.length; from += ORDERS_AT_ONCE)
      await this.applyTo(knownIds.slice(from, from + ORDERS_AT_ONCE), venue, lease);
    const hasMore = page.length === REPORTS_AT_ONCE;
    this.reached = hasMore ? (page.at(-1) ?? BEFORE_ALL) : BEFORE_ALL;
    return hasMore;
  }

  /** What is parked for an order and cannot be applied is put aside, and keeps nobody else's from being applied. */
  private async applyTo(orderIds: readonly string[], venue: string, lease: HeldLease): Promise<void> {
    try {
      await this.change(venue, lease, (manager) =>
        this.toOrders.applyParked(venue, orderIds, 'executions/parked', manager),
      );
    } catch (error) {
      if (!isPoison(error)) throw error;
      const [orderId] = orderIds;
      if (orderId === undefined) return;
      if (orderIds.length === 1) {
        this.logger.error({ err: error, orderId, message: 'Parked executions are quarantined' });
        await this.change(venue, lease, (manager) =>
          this.toOrders.refuseParked(venue, orderId, poisonReason(error), manager),
        );
        return;
      }
      const half = Math.ceil(orderIds.length / 2);
      await this.applyTo(orderIds.slice(0, half), venue, lease);
      await this.applyTo(orderIds.slice(half), venue, lease);
    }
  }

  private async change(
    venue: string,
    lease: HeldLease,
    work: (manager: EntityManager) => Promise<AppliedReports>,
  ): Promise<AppliedCounts> {
    const counts = await this.writePath.change(async (manager) => {
      await manager.query(PAUSE_AT_MOST);
      const { counts, events, underWay } = await work(manager);
      return {
        result: counts,
        events,
        underWay: together(underWay, count(venue, counts, manager)),
        finish: () => this.leases.hold(lease, manager),
      };
    });
    this.metrics.applied(counts);
    return counts;
  }
}

async function count(venue: string, counts: AppliedCounts, manager: EntityManager): Promise<void> {
  const { recorded, duplicates, quarantined } = counts;
  if (recorded + duplicates + quarantined === 0) return;
  await prepared(manager, 'parked/count', COUNT, [venue, recorded, duplicates, quarantined]);
}
