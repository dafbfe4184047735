import { NoVenue } from './no-venue.js';

describe('where there is no venue', () => {
  const nowhere = new NoVenue();

  it('nothing can be asked', async () => {
    const unavailable = { kind: 'unavailable', reason: 'No venue is configured' };
    expect(await nowhere.place()).toEqual(unavailable);
    expect(await nowhere.cancel()).toEqual(unavailable);
    expect(await nowhere.find()).toEqual(unavailable);
  });

  it('nothing is reported, until nobody listens any more', async () => {
    const stop = new AbortController();
    const next = nowhere.reports(0, stop.signal).next();
    stop.abort();
    expect(await next).toEqual({ done: true, value: undefined });
    expect(await nowhere.reports(0, AbortSignal.abort()).next()).toEqual({ done: true, value: undefined });
  });
});
