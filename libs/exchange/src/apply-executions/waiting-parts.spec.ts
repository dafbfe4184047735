import { WaitingParts } from './waiting-parts.js';

interface Round extends PromiseWithResolvers<void> {
  readonly parts: readonly number[];
  readonly signal: AbortSignal;
}

/** A bus on which something comes when the test says so. */
function quietBus() {
  const rounds: Round[] = [];
  const arrival = (parts: readonly number[], signal: AbortSignal) => {
    const round = { parts, signal, ...Promise.withResolvers<void>() };
    signal.addEventListener('abort', () => round.resolve());
    if (signal.aborted) round.resolve();
    rounds.push(round);
    return round.promise;
  };
  return { arrival, rounds, last: () => rounds.at(-1) as Round };
}

describe('parts for which nothing has come', () => {
  it('wait together, without those that are at work', async () => {
    const bus = quietBus();
    const parts = new WaitingParts(bus, new AbortController().signal);
    const first = parts.wait(1);
    const both = [first, parts.wait(2)];
    expect(bus.rounds.map((round) => [round.parts, round.signal.aborted])).toEqual([
      [[1], true],
      [[1, 2], false],
    ]);
    bus.last().resolve();
    await Promise.all(both);
    // The first is at work now, or fails: what lies there for it is not looked for.
    const second = parts.wait(2);
    expect(bus.last().parts).toEqual([2]);
    bus.last().resolve();
    await second;
  });

  it('are all told when that fails', async () => {
    const bus = quietBus();
    const parts = new WaitingParts(bus, new AbortController().signal);
    const both = [parts.wait(1), parts.wait(1)];
    bus.last().reject(new Error('the bus is away'));
    await expect(Promise.allSettled(both)).resolves.toMatchObject([
      { reason: { message: 'the bus is away' } },
      { reason: { message: 'the bus is away' } },
    ]);
  });

  it('wait no longer when the process stops', async () => {
    const stopping = new AbortController();
    const parts = new WaitingParts(quietBus(), stopping.signal);
    const waiting = [parts.wait(1), parts.wait(2)];
    stopping.abort();
    await expect(Promise.all([...waiting, parts.wait(3)])).resolves.toHaveLength(3);
  });
});
