import { type Behaviour, NORMAL_BEHAVIOUR } from '../../apps/exchange-simulator/src/behaviour.js';
import type { FloodProgress } from '../../apps/exchange-simulator/src/flood.js';
import { Simulator } from '../../apps/exchange-simulator/src/simulator.js';
import { waitFor } from './wait-for.js';

export { StateLock } from '../../apps/exchange-simulator/src/state-lock.js';

/** How a simulated venue is asked to trade many orders at once; its README tells it in full. */
export interface FloodWishes {
  readonly orders:
    | { readonly first: string; readonly count: number; readonly quantity: number }
    | readonly { readonly clOrdId: string; readonly quantity: number }[];
  readonly fillsPerOrder?: number;
  readonly priceCents?: number;
  readonly ratePerSecond?: number;
  readonly concurrentOrders?: number;
  readonly acknowledge?: boolean;
}

/** What a simulated venue was asked. */
export interface VenueCounts {
  readonly placements: number;
  readonly accepted: number;
  readonly refused: number;
  readonly repeated: number;
  readonly cancels: number;
  readonly finds: number;
  readonly failed: number;
  readonly unanswered: number;
  /** How often each order was placed, not counting failures. */
  readonly placed: Readonly<Record<string, number>>;
  /** Orders that are neither filled nor ended otherwise. */
  readonly open: number;
  /** All that were ever reported. */
  readonly reports: number;
  readonly readers: number;
  readonly connections: number;
  /** Of its process. */
  readonly pid: number;
}

/** An order as the venue has it. */
export interface OrderAtVenue {
  readonly clOrdId: string;
  readonly status: string;
  readonly quantity: number;
  readonly cumQuantity: number;
  readonly leavesQuantity: number;
  readonly avgPriceCents: number | null;
  /** A whole number, which may be too large for one. */
  readonly tradedCents: string;
  readonly reason?: string;
}

/** A simulated venue on a port of this machine, with what drives it. */
export class SimulatedVenue {
  constructor(
    readonly url: string,
    private readonly token?: string,
  ) {}

  /** Changes settings; those that are not named stay. */
  async behave(settings: Partial<Behaviour>): Promise<void> {
    await this.ask('PUT', '/simulator/behaviour', settings);
  }

  counts(): Promise<VenueCounts> {
    return this.ask('GET', '/simulator/counts');
  }

  /** All orders, in the order in which they came. */
  async orders(): Promise<OrderAtVenue[]> {
    const orders: OrderAtVenue[] = [];
    for (let after: number | undefined = 0; after !== undefined;) {
      const page: { orders: OrderAtVenue[]; next?: number } = await this.ask('GET', `/orders?after=${after}`);
      orders.push(...page.orders);
      after = page.next;
    }
    return orders;
  }

  async flood(wishes: FloodWishes): Promise<FloodProgress> {
    return this.ask('POST', '/simulator/flood', wishes);
  }

  floodProgress(): Promise<FloodProgress> {
    return this.ask('GET', '/simulator/flood');
  }

  async floodEnd(patienceMs?: number): Promise<FloodProgress> {
    const ended = async () => {
      const progress = await this.floodProgress();
      return progress.state !== 'running' && progress;
    };
    return waitFor('the end of the flood', ended, patienceMs);
  }

  /** Cuts the stream of everybody who reads it. */
  async cut(): Promise<void> {
    await this.ask('POST', '/simulator/cut');
  }

  private async ask<T>(method: string, path: string, body?: object): Promise<T> {
    const response = await fetch(this.url + path, {
      method,
      ...(this.token !== undefined && { headers: { authorization: `Bearer ${this.token}` } }),
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} was answered ${response.status}: ${text}`);
    return JSON.parse(text) as T;
  }
}

/** One that runs in this process. */
export interface OwnVenue extends SimulatedVenue {
  stop(): Promise<void>;
}

export interface VenueOptions {
  readonly seed?: number;
  readonly port?: number;
  readonly keepReports?: number;
  readonly stateFile?: string;
  readonly token?: string;
  readonly behaviour?: Partial<Behaviour>;
}

/** Starts a venue in this process. It trades at once, unless told otherwise. */
export async function startVenue({ behaviour, ...options }: VenueOptions = {}): Promise<OwnVenue> {
  const simulator = await Simulator.start({
    port: 0,
    host: '127.0.0.1',
    seed: 1,
    keepReports: 2_000_000,
    ...options,
    behaviour: { ...NORMAL_BEHAVIOUR, fillPaceMinMs: 0, fillPaceMaxMs: 0, cancelDelayMaxMs: 0, ...behaviour },
  });
  return Object.assign(new SimulatedVenue(simulator.url, options.token), { stop: () => simulator.stop() });
}
