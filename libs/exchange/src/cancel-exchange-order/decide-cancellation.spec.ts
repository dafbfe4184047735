import { VersionConflict } from '@daybook/platform';

import { exchangeOrder } from '../../../../test/support/exchange-order.js';
import { EXCHANGE_ORDER_STATUSES, exchangeOrderStatusMachine } from '../exchange-order-status.js';
import { decideCancellation } from './decide-cancellation.js';

const NOW = new Date('2026-11-21T12:00:00.000Z');
const order = exchangeOrder({ status: 'created', reason: 'Too late' });
const ask = { orderId: order.id, venue: order.venue };

describe('the wish to cancel', () => {
  it('makes an order that is at the venue wait for it', () => {
    expect(decideCancellation(ask, order, NOW)).toEqual({
      ...order,
      status: 'cancel_pending',
      reason: null,
      updatedAt: NOW,
      version: order.version + 1,
    });
  });

  it('is granted where the status machine says so, and again where it was', () => {
    for (const status of EXCHANGE_ORDER_STATUSES) {
      const decision = decideCancellation(ask, { ...order, status }, NOW);
      const isGranted = exchangeOrderStatusMachine.isAllowed(status, 'cancel_pending');
      const expected = isGranted || status === 'cancel_pending' ? 'cancel_pending' : 'illegal_transition';
      expect([status, 'code' in decision ? decision.code : decision.status]).toEqual([status, expected]);
    }
  });

  it('that was there before changes nothing', () => {
    const waiting = { ...order, status: 'cancel_pending' as const };
    expect(decideCancellation(ask, waiting, NOW)).toBe(waiting);
  });

  it('is refused at another version, whatever the status', () => {
    const decision = decideCancellation({ ...ask, expectedVersion: order.version + 1 }, order, NOW);
    expect(decision).toEqual(new VersionConflict(order.version));
  });

  it('is refused when the order is at another venue than can be asked, unless it has ended or was wished before', () => {
    const elsewhere = { ...ask, venue: 'XFRA' };
    expect(decideCancellation(elsewhere, order, NOW)).toMatchObject({
      code: 'exchange_not_configured',
      message: expect.stringContaining('XFRA'),
    });
    expect(decideCancellation(elsewhere, { ...order, status: 'filled' }, NOW)).toMatchObject({
      code: 'illegal_transition',
    });
    const waiting = { ...order, status: 'cancel_pending' as const };
    expect(decideCancellation(elsewhere, waiting, NOW)).toBe(waiting);
  });

  it('of a stranger, and of an order that there is not, are answered alike', () => {
    const stranger = decideCancellation({ ...ask, customerId: 'mallory' }, order, NOW);
    expect(stranger).toEqual(decideCancellation(ask, undefined, NOW));
    expect(stranger).toMatchObject({ code: 'not_found' });
  });
});
