import { decideSettlement, type Resolution } from './decide-settlement.js';
import {
  EXCHANGE_ORDER_STATUSES,
  type ExchangeOrderStatus,
  exchangeOrderStatusMachine,
} from './exchange-order-status.js';
import { exchangeOrder } from '../../../test/support/exchange-order.js';

const NOW = new Date('2026-11-21T12:00:00.000Z');
const RESOLUTIONS: readonly Resolution[] = [
  { kind: 'accepted' },
  { kind: 'refused', reason: 'No' },
  { kind: 'unavailable', reason: 'Away' },
  { kind: 'unknown', reason: 'Silence' },
  { kind: 'unseen' },
  { kind: 'given_up', reason: 'Too late' },
];
const settle = (status: ExchangeOrderStatus, resolution: Resolution, isBeingRecovered = false) => {
  const order = exchangeOrder({ status });
  return { order, settled: decideSettlement(order, resolution, isBeingRecovered, NOW) };
};

describe('what the venue says of an order', () => {
  it.each<[kind: Resolution['kind'], status: ExchangeOrderStatus, reason: string | null]>([
    ['accepted', 'created', null],
    ['refused', 'rejected', 'No'],
    ['unavailable', 'failed', 'Away'],
    ['given_up', 'failed', 'Too late'],
  ])('that waits for its word, when it is %s, makes it %s', (kind, status, reason) => {
    const { order, settled } = settle(
      'pending',
      RESOLUTIONS.find((each) => each.kind === kind) as Resolution,
    );
    expect(settled).toEqual({ ...order, status, reason, updatedAt: NOW, version: order.version + 1 });
  });

  it('that was forgotten over there ends it when it shall be cancelled', () => {
    const { settled } = settle('cancel_pending', { kind: 'unseen' });
    expect(settled).toMatchObject({ status: 'cancelled', reason: 'The venue does not know the order.' });
  });

  it('counts for nothing while somebody else asks, when it speaks of one attempt alone', () => {
    for (const resolution of RESOLUTIONS) {
      const { order, settled } = settle('pending', resolution, true);
      const isFinalWord = ['accepted', 'refused', 'given_up'].includes(resolution.kind);
      expect([resolution.kind, settled === order]).toEqual([resolution.kind, !isFinalWord]);
    }
  });

  it('counts for nothing when its reports have told more', () => {
    const silent = EXCHANGE_ORDER_STATUSES.filter((status) => status !== 'pending');
    for (const status of silent)
      for (const resolution of RESOLUTIONS) {
        if (status === 'cancel_pending' && resolution.kind === 'unseen') continue;
        const { order, settled } = settle(status, resolution);
        expect([status, resolution.kind, settled === order]).toEqual([status, resolution.kind, true]);
      }
  });

  it('moves it along its status machine only', () => {
    for (const status of EXCHANGE_ORDER_STATUSES)
      for (const resolution of RESOLUTIONS)
        for (const isBeingRecovered of [true, false]) {
          const { order, settled } = settle(status, resolution, isBeingRecovered);
          const isMove = settled !== order;
          expect(!isMove || exchangeOrderStatusMachine.isAllowed(status, settled.status)).toBe(true);
        }
  });
});
