import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { EntityManager } from 'typeorm';

import {
  businessNow,
  type DomainEvent,
  numberColumn,
  prepared,
  type RequestContext,
  textColumn,
  textsIn,
  WritePath,
} from '@daybook/platform';

import { HoldRemoved, StockCorrected } from '../inventory.events.js';
import { StockRepository } from '../stock.repository.js';
import {
  changesAnything,
  decideCorrection,
  isCorrection,
  type LevelToCorrect,
  type StockCorrection,
  type StockDrift,
  type UncorrectableStock,
  type VoidHold,
} from './decide-corrections.js';

/** What was made right, and what only a person can. */
export interface CorrectedStock {
  readonly corrections: readonly StockCorrection[];
  readonly left: readonly UncorrectableStock[];
}

/**
 * Makes stock levels what the claims behind them add up to, by changes that the journal tells of, while everybody else
 * goes on. Inventory knows nothing of orders, so the caller says what differs.
 * @param find finds a bounded number of levels that differ or have orphaned holds, in one statement: within one snapshot
 */
export class CorrectStock extends Command<CorrectedStock> {
  constructor(
    readonly find: (manager: EntityManager) => Promise<readonly StockDrift[]>,
    readonly context: RequestContext,
  ) {
    super();
  }
}

// Any fixed number will do: of two that found the same difference, the second would make it worse.
const CORRECTION_LOCK = 7_237_002;

const READ_LEVELS = `
  SELECT level.product_id AS "productId", level.warehouse_id AS "warehouseId", product.sku, warehouse.code AS warehouse,
    level.on_hand::float8 AS "onHand", level.reserved::float8, level.allocated::float8
  FROM stock_levels level JOIN products product ON product.id = level.product_id
  JOIN warehouses warehouse ON warehouse.id = level.warehouse_id
  WHERE level.product_id = ANY($1::int[])`;

const READ_VOID_HOLDS = `
  SELECT hold.reservation_id AS "reservationId", hold.product_id AS "productId", hold.warehouse_id AS "warehouseId",
    hold.quantity, reservation.status IS DISTINCT FROM 'active' AS "isOrphan"
  FROM stock_holds hold LEFT JOIN reservations reservation ON reservation.id = hold.reservation_id
  WHERE hold.product_id = ANY($1::int[])
    AND (reservation.status IS DISTINCT FROM 'active' OR hold.expires_at <= (SELECT business_now()))`;

const END_HOLDS = `
  DELETE FROM stock_holds USING unnest(${textsIn('$1')}, $2::int[], $3::int[]) AS ended (id, product_id, warehouse_id)
  WHERE reservation_id = ended.id::uuid AND stock_holds.product_id = ended.product_id
    AND stock_holds.warehouse_id = ended.warehouse_id`;

@CommandHandler(CorrectStock)
export class CorrectStockHandler implements ICommandHandler<CorrectStock> {
  constructor(
    private readonly writePath: WritePath,
    private readonly stock: StockRepository,
  ) {}

  /**
   * Adding up all claims takes a while in a large book, so nothing is locked meanwhile. It need not be: whoever changes
   * a claim changes the level by as much in the same transaction, so a difference, seen in one snapshot, stays what it
   * is until somebody corrects it. Only then the levels are locked, and read as they are by now.
   */
  execute({ find, context }: CorrectStock): Promise<CorrectedStock> {
    return this.writePath.change(async (manager) => {
      await waitForTurn(manager);
      const drifts = await find(manager);
      await manager.query(
        'SET LOCAL statement_timeout TO DEFAULT; SET LOCAL lock_timeout TO DEFAULT; SET LOCAL enable_seqscan TO DEFAULT',
      );
      const decisions = await this.decide(drifts, manager);
      const corrections = decisions.filter(isCorrection).filter(changesAnything);
      const left = decisions.flatMap((decision) => (isCorrection(decision) ? [] : [decision]));
      const now = await businessNow(manager);
      await this.write(corrections, now, manager);
      return {
        result: { corrections, left },
        events: corrections.flatMap((correction) => toEvents(correction, now, context)),
      };
    });
  }

  private async decide(drifts: readonly StockDrift[], manager: EntityManager) {
    const productIds = new Set(drifts.map(({ productId }) => productId));
    await this.stock.lock(productIds, manager);
    const values = [numberColumn([...productIds])];
    const levels = (await manager.query(READ_LEVELS, values)) as LevelToCorrect[];
    const holds = (await manager.query(READ_VOID_HOLDS, values)) as VoidHold[];
    const levelAt = new Map(levels.map((level) => [placeOf(level), level]));
    const holdsAt = Map.groupBy(holds, placeOf);
    return drifts.map((drift) => {
      const place = placeOf(drift);
      return decideCorrection(drift, levelAt.get(place), holdsAt.get(place) ?? []);
    });
  }

  private async write(
    corrections: readonly StockCorrection[],
    now: Date,
    manager: EntityManager,
  ): Promise<void> {
    const ended = corrections.flatMap(({ endedHolds }) => endedHolds);
    await prepared(manager, 'correct-stock/end-holds', END_HOLDS, [
      textColumn(ended.map(({ reservationId }) => reservationId)),
      numberColumn(ended.map(({ productId }) => productId)),
      numberColumn(ended.map(({ warehouseId }) => warehouseId)),
    ]);
    const changes = corrections.map(({ level, reserved, allocated }) => ({
      ...level,
      reservedDelta: reserved - level.reserved,
      allocatedDelta: allocated - level.allocated,
    }));
    await this.stock.applyChanges(changes, manager);
    const unexplained = corrections.filter(({ movedDelta }) => movedDelta !== 0);
    const movements = unexplained.map(({ level, movedDelta }) => ({
      ...level,
      kind: 'adjusted' as const,
      quantityDelta: movedDelta,
      reason: `Correction: ${level.onHand} on hand, the movements came to ${level.onHand - movedDelta}`,
    }));
    await this.stock.recordMovements(movements, now, manager);
  }
}

/** One at a time, from the moment it looks for differences until it has corrected them; and as long as looking takes. */
async function waitForTurn(manager: EntityManager): Promise<void> {
  await manager.query(
    'SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; SET LOCAL enable_seqscan = on',
  );
  await manager.query('SELECT pg_advisory_xact_lock($1)', [CORRECTION_LOCK]);
}

function placeOf({ productId, warehouseId }: { productId: number; warehouseId: number }): string {
  return `${productId}/${warehouseId}`;
}

function toEvents(correction: StockCorrection, now: Date, context: RequestContext): DomainEvent[] {
  const { level, reserved, allocated, movedDelta, endedHolds } = correction;
  const place = `${level.sku}@${level.warehouse}`;
  const at = now.toISOString();
  const removed = endedHolds
    .filter(({ isOrphan }) => isOrphan)
    .map(
      ({ reservationId, quantity }) =>
        new HoldRemoved(`${reservationId}/${place}`, null, at, context, {
          before: { quantity },
          after: { quantity: 0 },
          reason: 'No active reservation had it',
        }),
    );
  const was = { reserved: level.reserved, allocated: level.allocated, moved: level.onHand - movedDelta };
  const is = { reserved, allocated, moved: level.onHand };
  const differing = (['reserved', 'allocated', 'moved'] as const).filter((key) => was[key] !== is[key]);
  const pick = (numbers: typeof is) => Object.fromEntries(differing.map((key) => [key, numbers[key]]));
  const corrected = new StockCorrected(place, null, at, context, {
    before: pick(was),
    after: pick(is),
    reason: 'It was not what its claims or its movements came to',
  });
  return differing.length === 0 ? removed : [...removed, corrected];
}
