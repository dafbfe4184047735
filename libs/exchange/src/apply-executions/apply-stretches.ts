import { Inject, Injectable } from '@nestjs/common';

import { type HeldLease, Leases, prepared, together, WritePath } from '@daybook/platform';

import { EXECUTION_BUS, type ExecutionBus } from '../execution-bus.js';
import type { ExecutionReport } from '../execution-report.js';
import { type AppliedCounts, ApplyToOrders, PAUSE_AT_MOST } from './apply-to-orders.js';
import type { RefusedReport } from './fold-executions.js';

/** What of a part is applied together. */
export interface PartBatch {
  readonly venue: string;
  readonly partition: number;
  /** The right to apply this part. */
  readonly lease: HeldLease;
  /** How far the part is applied before. */
  readonly after: number;
  /** How far it is behind. */
  readonly through: number;
  /** Whatever there is of the part in between. */
  readonly reports: readonly ExecutionReport[];
}

/** The part has been applied by somebody else since it was read how far it is; nothing was changed. */
export class OffsetMoved extends Error {
  constructor({ partition, after }: PartBatch) {
    super(`Part ${partition} of the executions is no longer applied up to ${after}`);
    this.name = 'OffsetMoved';
  }
}

const ADVANCE = `
  UPDATE execution_offsets SET applied = $4::bigint, batches = batches + 1, recorded = recorded + $5::int,
    duplicates = duplicates + $6::int, parked = parked + $7::int, quarantined = quarantined + $8::int
  WHERE venue = $1 AND partition = $2::int AND applied = $3::bigint RETURNING partition`;

/** The transactions of a part of the stream. Each moves the part on, whatever its reports came to. */
@Injectable()
export class ApplyStretches {
  constructor(
    private readonly writePath: WritePath,
    private readonly toOrders: ApplyToOrders,
    private readonly leases: Leases,
    @Inject(EXECUTION_BUS) private readonly bus: ExecutionBus,
  ) {}

  /**
   * Applies the reports and moves the part on, in one transaction.
   * @throws {LeaseOvertaken} {@link OffsetMoved} when nothing was changed because others have gone on meanwhile
   */
  apply(batch: PartBatch): Promise<AppliedCounts> {
    const { venue, partition, lease, through, reports } = batch;
    return this.writePath.change(async (manager) => {
      const requestId = `executions/${partition}/${through}`;
      const { counts, events, underWay } = await this.toOrders.apply(venue, reports, requestId, manager);
      return {
        result: counts,
        events,
        underWay: together(
          underWay,
          advance(batch, counts, manager),
          this.bus.forget(partition, through, manager),
        ),
        finish: () => this.leases.hold(lease, manager),
      };
    });
  }

  /** Moves the part on past one report that cannot be applied, for whatever reason, and keeps it for a person. */
  quarantine(batch: PartBatch, refused: RefusedReport): Promise<AppliedCounts> {
    const { venue, partition, lease, through } = batch;
    return this.writePath.change(async (manager) => {
      await manager.query(PAUSE_AT_MOST);
      const { counts } = await this.toOrders.refuse(venue, [refused], manager);
      const underWay = together(
        advance(batch, counts, manager),
        this.bus.forget(partition, through, manager),
      );
      return { result: counts, events: [], underWay, finish: () => this.leases.hold(lease, manager) };
    });
  }
}

async function advance(
  batch: PartBatch,
  { recorded, duplicates, parked, quarantined }: AppliedCounts,
  manager: Parameters<typeof prepared>[0],
): Promise<void> {
  const { venue, partition, after, through } = batch;
  const values = [venue, partition, after, through, recorded, duplicates, parked, quarantined];
  const moved = await prepared(manager, 'apply-executions/advance', ADVANCE, values);
  if (moved.length === 0) throw new OffsetMoved(batch);
}
