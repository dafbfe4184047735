import { KeepAliveClient } from '../support/keep-alive-client.js';
import type { Daybook } from './daybook.js';

export interface Wish {
  readonly priority: 'high' | 'normal';
  /** Undefined: as long as it takes. */
  readonly processingTimeMs: number | undefined;
}

/** An order that was answered 201. */
export interface Placed extends Wish {
  readonly id: string;
  readonly latencyMs: number;
}

// A server listens with a backlog of some hundred: of more connects at once some would wait for a second.
const CONNECTS_AT_ONCE = 100;

/** Places orders on many connections at once, each the next one when the one before is answered. */
export class Placing {
  readonly placed: Placed[] = [];
  /** What came instead of 201, in words, and how often. */
  readonly refusals = new Map<string, number>();
  private readonly clients: readonly KeepAliveClient[];

  constructor(
    { origin, token }: Daybook,
    private readonly sku: string,
    private readonly customerId: string,
    connections: number,
  ) {
    this.clients = Array.from({ length: connections }, () => new KeepAliveClient(origin, token));
  }

  /** Opens the connections, so that placing is measured and not connecting. */
  async connect(): Promise<void> {
    for (let first = 0; first < this.clients.length; first += CONNECTS_AT_ONCE) {
      const some = this.clients.slice(first, first + CONNECTS_AT_ONCE);
      await Promise.all(some.map((client) => client.ask('/health/live')));
    }
  }

  async place(wishes: readonly Wish[]): Promise<void> {
    const waiting = wishes.values();
    await Promise.all(
      this.clients.map(async (client) => {
        // One iterator for all of them: each takes the next.
        for (const wish of waiting) await this.placeOne(client, wish);
      }),
    );
  }

  close(): void {
    for (const client of this.clients) client.close();
  }

  private async placeOne(client: KeepAliveClient, wish: Wish): Promise<void> {
    const { sku, customerId } = this;
    const sentAt = performance.now();
    try {
      const body = { lines: [{ sku, quantity: 1 }], customerId, ...wish };
      const { status, text } = await client.ask('/api/v1/orders', body);
      if (status === 201) {
        const { id } = JSON.parse(text) as { id: string };
        this.placed.push({ ...wish, id, latencyMs: performance.now() - sentAt });
      } else this.refuse(`${status} ${text.slice(0, 200)}`);
    } catch (error) {
      this.refuse(`no answer: ${(error as Error).message}`);
    }
  }

  private refuse(words: string): void {
    this.refusals.set(words, (this.refusals.get(words) ?? 0) + 1);
  }
}
