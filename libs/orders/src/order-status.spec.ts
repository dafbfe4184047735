import {
  CLAIMING_STATUSES,
  ORDER_STATUSES,
  type OrderStatus,
  orderStatusMachine,
  stockEffect,
} from './order-status.js';

/** Every edge there is, and what it does to the order's stock. */
const EDGES: [from: OrderStatus, to: OrderStatus, effect: ReturnType<typeof stockEffect>][] = [
  ['pending', 'processing', 'none'],
  ['pending', 'cancelled', 'give-back'],
  ['processing', 'confirmed', 'none'],
  ['processing', 'failed', 'give-back'],
  ['processing', 'pending', 'none'],
  ['confirmed', 'shipped', 'ship'],
  ['confirmed', 'cancelled', 'give-back'],
  ['shipped', 'delivered', 'none'],
  ['failed', 'pending', 'allocate-again'],
];

const isClaiming = (status: OrderStatus) => CLAIMING_STATUSES.includes(status);

describe('the status of an order', () => {
  it('moves along these edges and no others', () => {
    const edges = ORDER_STATUSES.flatMap((from) =>
      orderStatusMachine.allowed(from).map((to) => `${from} > ${to}`),
    );
    expect(edges.toSorted()).toEqual(EDGES.map(([from, to]) => `${from} > ${to}`).toSorted());
  });

  it('begins as pending, and the machine knows every status', () => {
    expect(orderStatusMachine.initial).toBe('pending');
    expect(orderStatusMachine.states).toEqual(ORDER_STATUSES);
  });

  it.each(EDGES)('moving from %s to %s has the stock effect %s', (from, to, effect) => {
    expect(stockEffect(from, to)).toBe(effect);
  });

  it('gains or loses its claim on stock with exactly the moves that take or give stock', () => {
    for (const [from, to, effect] of EDGES) {
      const change = Number(isClaiming(to)) - Number(isClaiming(from));
      const expected = { none: 0, 'give-back': -1, ship: -1, 'allocate-again': 1 }[effect];
      expect({ from, to, change }).toEqual({ from, to, change: expected });
    }
  });

  it('claims stock from the moment the order is placed', () => {
    expect(isClaiming(orderStatusMachine.initial)).toBe(true);
  });
});
