import type {
  CancelOutcome,
  ExchangeGateway,
  ExchangeOrder,
  ExecutionReport,
  Finding,
  PlacementOutcome,
} from '@daybook/exchange';

type Request = 'place' | 'cancel' | 'find';

/**
 * A venue in this process, which does as it is told, to the moment: for what depends on who is first. It keeps its promise
 * about repeated placements, unless it is told what to say.
 */
export class ScriptedVenue implements ExchangeGateway {
  readonly venue = 'XTST';
  /** What it was asked, in this order. */
  readonly asked: { readonly request: Request; readonly id: string }[] = [];
  /** What it took in, or refused for good. */
  readonly known = new Map<string, PlacementOutcome>();
  onPlace: (order: ExchangeOrder, signal: AbortSignal) => Promise<PlacementOutcome> | PlacementOutcome =
    () => ({ kind: 'accepted' });
  onCancel: (order: ExchangeOrder) => Promise<CancelOutcome> | CancelOutcome = () => ({ kind: 'requested' });
  onFind: ((order: ExchangeOrder) => Promise<Finding> | Finding) | undefined;

  count(request: Request, id?: string): number {
    return this.asked.filter((each) => each.request === request && (id === undefined || each.id === id))
      .length;
  }

  /** As new. */
  reset(): void {
    this.asked.length = 0;
    this.onPlace = () => ({ kind: 'accepted' });
    this.onCancel = () => ({ kind: 'requested' });
    this.onFind = undefined;
  }

  async place(order: ExchangeOrder, signal: AbortSignal): Promise<PlacementOutcome> {
    this.asked.push({ request: 'place', id: order.id });
    const known = this.known.get(order.id);
    if (known !== undefined) return known;
    const outcome = await this.onPlace(order, signal);
    if (outcome.kind === 'accepted' || outcome.kind === 'refused') this.known.set(order.id, outcome);
    return outcome;
  }

  async cancel(order: ExchangeOrder): Promise<CancelOutcome> {
    this.asked.push({ request: 'cancel', id: order.id });
    return this.onCancel(order);
  }

  async find(order: ExchangeOrder): Promise<Finding> {
    this.asked.push({ request: 'find', id: order.id });
    if (this.onFind !== undefined) return this.onFind(order);
    const known = this.known.get(order.id);
    if (known?.kind === 'refused') return known;
    return { kind: known === undefined ? 'unseen' : 'found' };
  }

  /** It reports nothing. */
  async *reports(_after: number, signal: AbortSignal): AsyncIterable<readonly ExecutionReport[]> {
    const ended = Promise.withResolvers<void>();
    signal.addEventListener('abort', () => ended.resolve());
    if (!signal.aborted) await ended.promise;
    yield* [];
  }
}

/** Something that goes on only when it is told to. */
export class Latch {
  private readonly opened = Promise.withResolvers<void>();
  private readonly reached = Promise.withResolvers<void>();

  /** Resolves when somebody waits. */
  get whenReached(): Promise<void> {
    return this.reached.promise;
  }

  async wait(): Promise<void> {
    this.reached.resolve();
    await this.opened.promise;
  }

  open(): void {
    this.opened.resolve();
  }
}
