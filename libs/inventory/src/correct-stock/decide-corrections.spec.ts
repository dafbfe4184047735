import {
  decideCorrection,
  type LevelToCorrect,
  type StockDrift,
  type VoidHold,
} from './decide-corrections.js';

const place = { productId: 1, warehouseId: 2 };
const level = (onHand: number, reserved: number, allocated: number): LevelToCorrect => ({
  ...place,
  sku: 'TEA',
  warehouse: 'main',
  onHand,
  reserved,
  allocated,
});
const drift = (reservedDelta: number, allocatedDelta = 0, movedDelta = 0): StockDrift => ({
  ...place,
  reservedDelta,
  allocatedDelta,
  movedDelta,
});
const hold = (quantity: number, isOrphan: boolean): VoidHold => ({
  ...place,
  reservationId: isOrphan ? 'orphan' : 'overdue',
  quantity,
  isOrphan,
});
const [orphan, overdue] = [hold(2, true), hold(3, false)];

describe('a stock level', () => {
  it.each([
    {
      what: 'too much reserved',
      drift: drift(-2),
      level: level(9, 5, 1),
      becomes: { reserved: 3, allocated: 1 },
    },
    {
      what: 'too little reserved',
      drift: drift(2),
      level: level(9, 5, 1),
      becomes: { reserved: 7, allocated: 1 },
    },
    {
      what: 'wrong allocations',
      drift: drift(0, -1),
      level: level(9, 5, 1),
      becomes: { reserved: 5, allocated: 0 },
    },
    {
      what: 'both, to the last piece',
      drift: drift(4, -1),
      level: level(9, 5, 1),
      becomes: { reserved: 9, allocated: 0 },
    },
    {
      what: 'a wrong ledger',
      drift: drift(0, 0, -7),
      level: level(9, 5, 1),
      becomes: { reserved: 5, movedDelta: -7 },
    },
  ])('with $what follows its claims', ({ drift: given, level: read, becomes }) => {
    expect(decideCorrection(given, read, [])).toMatchObject({ level: read, ...becomes, endedHolds: [] });
  });

  it('loses its orphaned holds, and keeps overdue ones that it has the stock for', () => {
    expect(decideCorrection(drift(0), level(9, 5, 4), [orphan, overdue])).toMatchObject({
      reserved: 3,
      allocated: 4,
      endedHolds: [orphan],
    });
  });

  it('loses overdue holds too when it has no stock for them', () => {
    expect(decideCorrection(drift(5), level(6, 0, 6), [orphan, overdue])).toMatchObject({
      reserved: 0,
      allocated: 6,
      endedHolds: [orphan, overdue],
    });
  });

  it('is left alone when it has no stock for its claims', () => {
    const given = drift(1, 1, 5);
    expect(decideCorrection(given, level(5, 2, 2), [])).toEqual({
      drift: given,
      reason: '5 on hand, reservations hold 3 and open orders claim 3',
    });
  });

  it('is left alone when there is none', () => {
    const given = drift(1);
    expect(decideCorrection(given, undefined, [])).toEqual({
      drift: given,
      reason: 'there is no such stock level',
    });
  });
});
