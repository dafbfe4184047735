import type { OrderId, OrderPriority } from '@daybook/orders';

import { HIGHEST_NORMAL_RANK, LOWEST_HIGH_RANK, rankOf } from './order-rank.js';

const rank = (id: string, priority: OrderPriority = 'normal') => rankOf({ id: id as OrderId, priority });

describe('the rank of an order', () => {
  it('falls with its number, within a day and from day to day, within either priority', () => {
    const ids = [
      '20261120-00001',
      '20261120-00002',
      '20261120-99999',
      '20261120-100000',
      '20261120-1048575',
      '20261121-00001',
      '20261231-00001',
      '20270101-00001',
    ];
    for (const priority of ['normal', 'high'] as const) {
      const ranks = ids.map((id) => rank(id, priority));
      expect(ranks).toEqual(ranks.toSorted((one, other) => other - one));
      expect(new Set(ranks).size).toBe(ids.length);
    }
  });

  it('of every high order is above that of every normal one, and fits 32 bits', () => {
    for (const id of ['20240229-00001', '20261121-00001', '20281231-9999999999', '99991231-00001']) {
      expect(rank(id, 'high')).toBeGreaterThanOrEqual(LOWEST_HIGH_RANK);
      expect(rank(id, 'high')).toBeLessThan(2 ** 31);
      expect(rank(id, 'normal')).toBeLessThanOrEqual(HIGHEST_NORMAL_RANK);
      expect(rank(id, 'normal')).toBeGreaterThanOrEqual(-(2 ** 31));
    }
  });

  it('is shared by the orders of a day that has more than a million: pg-boss then goes by their age', () => {
    expect(rank('20261120-1048575')).toBe(rank('20261120-2000000'));
  });
});
