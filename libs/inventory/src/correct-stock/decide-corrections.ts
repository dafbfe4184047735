/** By how much one product's stock in one warehouse differs from what stands behind it. */
export interface StockDrift {
  readonly productId: number;
  readonly warehouseId: number;
  /** What the reservations hold, less what is reserved. */
  readonly reservedDelta: number;
  /** What the orders claim, less what is allocated. */
  readonly allocatedDelta: number;
  /** What is on hand, less what the movements come to. */
  readonly movedDelta: number;
}

/** A stock level, locked and read. */
export interface LevelToCorrect {
  readonly productId: number;
  readonly warehouseId: number;
  readonly sku: string;
  readonly warehouse: string;
  readonly onHand: number;
  readonly reserved: number;
  readonly allocated: number;
}

/** A hold that holds nothing: nobody's any more, or overdue. */
export interface VoidHold {
  readonly reservationId: string;
  readonly productId: number;
  readonly warehouseId: number;
  readonly quantity: number;
  /** No active reservation has it. */
  readonly isOrphan: boolean;
}

/** What makes a level right. */
export interface StockCorrection {
  readonly level: LevelToCorrect;
  readonly reserved: number;
  readonly allocated: number;
  /** What a movement must add to the ledger, so that it comes to what is on hand. */
  readonly movedDelta: number;
  readonly endedHolds: readonly VoidHold[];
}

/** A level that only a person can make right. */
export interface UncorrectableStock {
  /** As it was given. */
  readonly drift: StockDrift;
  readonly reason: string;
}

/**
 * Decides how to correct one level: its numbers follow the claims behind them, the ledger follows what is on hand.
 * Orphaned holds end; overdue ones only where the stock does not suffice for them, as everywhere. Pure.
 * @param level undefined: there is none
 */
export function decideCorrection(
  drift: StockDrift,
  level: LevelToCorrect | undefined,
  holds: readonly VoidHold[],
): StockCorrection | UncorrectableStock {
  const { reservedDelta, allocatedDelta, movedDelta } = drift;
  if (level === undefined) return { drift, reason: 'there is no such stock level' };
  const allocated = level.allocated + allocatedDelta;
  const orphans = holds.filter(({ isOrphan }) => isOrphan);
  const held = level.reserved + reservedDelta;
  for (const endedHolds of [orphans, holds]) {
    const reserved = held - endedHolds.reduce((sum, { quantity }) => sum + quantity, 0);
    if (reserved + allocated <= level.onHand) return { level, reserved, allocated, movedDelta, endedHolds };
  }
  const reason = `${level.onHand} on hand, reservations hold ${held} and open orders claim ${allocated}`;
  return { drift, reason };
}

export function isCorrection(decision: StockCorrection | UncorrectableStock): decision is StockCorrection {
  return 'level' in decision;
}

/** False when somebody else, who was short of stock, has ended the only hold in question meanwhile. */
export function changesAnything({
  level,
  reserved,
  allocated,
  movedDelta,
  endedHolds,
}: StockCorrection): boolean {
  return (
    reserved !== level.reserved || allocated !== level.allocated || movedDelta !== 0 || endedHolds.length > 0
  );
}
