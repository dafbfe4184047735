import { measureOrders, type HttpContender } from '../placement/http-contenders.ts';
import { median } from '../support/statistics.ts';
import { figure, say, showProgress } from '../support/terminal.ts';

const CONNECTIONS = 64;

export interface PlacingOptions {
  readonly windows: number;
  readonly seconds: number;
}

interface PlacingFigure {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
}

export interface PlacingFigures {
  readonly full: PlacingFigure;
  readonly empty: PlacingFigure;
  /** Orders a second into the full database to those into the empty one. */
  readonly ratio: number;
  readonly windows: readonly { readonly full: PlacingFigure; readonly empty: PlacingFigure }[];
}

/** Places orders where there are many and where there are none, by turns. */
export async function measurePlacing(
  full: HttpContender,
  empty: HttpContender,
  { windows, seconds }: PlacingOptions,
): Promise<PlacingFigures> {
  const servers = { full: await full.start(), empty: await empty.start() };
  const place = async (which: 'full' | 'empty'): Promise<PlacingFigure> => {
    const contender = which === 'full' ? full : empty;
    const load = { connections: CONNECTIONS, seconds, warmUpSeconds: 2 };
    const { perSecond, latencyMs } = await measureOrders(contender, servers[which], load);
    return { perSecond, p50: latencyMs.p50, p99: latencyMs.p99 };
  };
  const figures: { full: PlacingFigure; empty: PlacingFigure }[] = [];
  // The first windows find code and caches cold, and count for nothing.
  for (let window = 0; window <= windows; window++) {
    showProgress(`placing orders, window ${window} of ${windows} …`);
    // Whoever goes second finds the disk busier.
    const [first, second] = window % 2 === 0 ? (['full', 'empty'] as const) : (['empty', 'full'] as const);
    const turns = { [first]: await place(first), [second]: await place(second) };
    const both = turns as Record<'full' | 'empty', PlacingFigure>;
    say(`placed a second: ${figure(both.full.perSecond)} full, ${figure(both.empty.perSecond)} empty`);
    if (window > 0) figures.push(both);
  }
  for (const server of Object.values(servers)) await server.stop();
  const middle = (which: 'full' | 'empty'): PlacingFigure => ({
    perSecond: median(figures.map((both) => both[which].perSecond)),
    p50: median(figures.map((both) => both[which].p50)),
    p99: median(figures.map((both) => both[which].p99)),
  });
  const medians = { full: middle('full'), empty: middle('empty') };
  return { ...medians, ratio: medians.full.perSecond / medians.empty.perSecond, windows: figures };
}
