import { getEventListeners } from 'node:events';

import { Slots } from './slots.js';

const never = () => new AbortController().signal;

describe('slots', () => {
  it('let so many in at a time, and the others one by one as they are left, first come first', async () => {
    const slots = new Slots(2);
    const inside: number[] = [];
    const entered = Array.from({ length: 5 }, async (_, index) => {
      expect(await slots.enter(never())).toBe(true);
      inside.push(index);
    });
    await Promise.all(entered.slice(0, 2));
    expect(inside).toEqual([0, 1]);
    for (const next of [2, 3, 4]) {
      slots.leave();
      await entered[next];
      expect(inside).toEqual(Array.from({ length: next + 1 }, (_, index) => index));
    }
    slots.leave();
    slots.leave();
    const again = [slots.enter(never()), slots.enter(never())];
    expect(await Promise.all(again)).toEqual([true, true]);
    const stop = new AbortController();
    const third = slots.enter(stop.signal);
    stop.abort();
    expect(await third).toBe(false);
  });

  it('are not taken by who has gone, nor by who came too late', async () => {
    const slots = new Slots(1);
    expect(await slots.enter(AbortSignal.abort())).toBe(false);
    await slots.enter(never());
    const stop = new AbortController();
    const gone = slots.enter(stop.signal);
    const next = slots.enter(never());
    stop.abort();
    expect(await gone).toBe(false);
    slots.leave();
    expect(await next).toBe(true);
  });

  it('take their hands off the signal', async () => {
    const slots = new Slots(1);
    const { signal } = new AbortController();
    await slots.enter(signal);
    const waiting = slots.enter(signal);
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    slots.leave();
    await waiting;
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });
});
