import { Inject, Injectable, Logger } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';

import { type HeldLease, Leases, prepared, together, WritePath } from '@daybook/platform';

import type { ExecutionReport } from '../execution-report.js';
import { StateLog } from '../state-log.js';
import { StreamMetrics } from '../stream-metrics.js';
import { type AppliedCounts, ApplyToOrders } from './apply-to-orders.js';
import { ExecutionRows } from './execution-rows.js';

const ORDERS_AT_ONCE = 200;
const REPORTS_AT_ONCE = 500;

const FIND_KNOWN = `
  SELECT DISTINCT parked.order_id::text AS "orderId" FROM parked_executions parked
  JOIN exchange_orders ON exchange_orders.id = parked.order_id WHERE parked.venue = $1 LIMIT ${ORDERS_AT_ONCE}`;

const TAKE_OLD = `
  WITH old AS MATERIALIZED (
    SELECT venue, exec_id FROM parked_executions
    WHERE parked_at < (SELECT business_now()) - interval '1 day' AND venue = $1
    ORDER BY parked_at LIMIT ${REPORTS_AT_ONCE} FOR UPDATE SKIP LOCKED)
  DELETE FROM parked_executions parked USING old
  WHERE parked.venue = old.venue AND parked.exec_id = old.exec_id RETURNING parked.report`;

const COUNT = `
  UPDATE execution_offsets SET recorded = recorded + $2::int, duplicates = duplicates + $3::int,
    quarantined = quarantined + $4::int WHERE venue = $1 AND partition = 0`;

/**
 * Reports that came before their order was known: applied when it is, even if nothing else comes of it, and after a day shown to a
 * person.
 */
@Injectable()
export class ParkedReports {
  private readonly logger = new Logger('Executions');
  private readonly log = new StateLog(
    this.logger,
    'Parked executions stay where they are until this is over',
    'Parked executions are applied again',
  );

  constructor(
    @Inject(DataSource) private readonly database: DataSource,
    private readonly writePath: WritePath,
    private readonly toOrders: ApplyToOrders,
    private readonly rows: ExecutionRows,
    private readonly leases: Leases,
    private readonly metrics: StreamMetrics,
  ) {}

  /** Never rejects. @param lease the right to do it */
  async sweep(venue: string, lease: HeldLease, signal: AbortSignal): Promise<void> {
    try {
      while (!signal.aborted && (await this.applyKnown(venue, lease)) === ORDERS_AT_ONCE);
      while (!signal.aborted && (await this.quarantineOld(venue, lease)) === REPORTS_AT_ONCE);
      this.log.succeed();
    } catch (error) {
      this.log.fail(error);
    }
  }

  /** @returns of how many orders */
  private async applyKnown(venue: string, lease: HeldLease): Promise<number> {
    const rows = (await this.database.query(FIND_KNOWN, [venue])) as { orderId: string }[];
    const orderIds = rows.map(({ orderId }) => orderId);
    if (orderIds.length === 0) return 0;
    const counts = await this.writePath.change(async (manager) => {
      const applied = await this.toOrders.applyParked(venue, orderIds, 'executions/parked', manager);
      const underWay = together(applied.underWay, count(venue, applied.counts, manager));
      const finish = () => this.leases.hold(lease, manager);
      return { result: applied.counts, events: applied.events, underWay, finish };
    });
    this.metrics.applied(counts);
    return orderIds.length;
  }

  /** @returns how many */
  private async quarantineOld(venue: string, lease: HeldLease): Promise<number> {
    const counts = await this.writePath.change(async (manager) => {
      const old = await prepared<{ report: ExecutionReport }>(manager, 'parked/take-old', TAKE_OLD, [venue]);
      const refused = old.map(({ report }) => ({ report, reason: 'no such order, for a day' }));
      const counts = { recorded: 0, duplicates: 0, parked: 0, quarantined: refused.length };
      const underWay = together(
        this.rows.quarantine(venue, refused, manager),
        refused.length > 0 ? count(venue, counts, manager) : Promise.resolve(),
      );
      return {
        result: counts,
        events: [],
        underWay,
        finish: () => this.leases.hold(lease, manager),
      };
    });
    this.metrics.applied(counts);
    return counts.quarantined;
  }
}

async function count(venue: string, counts: AppliedCounts, manager: EntityManager): Promise<void> {
  const { recorded, duplicates, quarantined } = counts;
  await prepared(manager, 'parked/count', COUNT, [venue, recorded, duplicates, quarantined]);
}
