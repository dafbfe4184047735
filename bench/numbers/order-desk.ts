import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { Client } from 'pg';
import { owned } from '../support/lifetime.ts';
import { quantile } from '../support/statistics.ts';
import { CALLERS, PROCESSES, SCHEMA, type NumberTaker, type NumberingStrategy } from './strategies.ts';

const WARM_UP_MS = 500;
/** One transaction in a hundred is rolled back after it has taken its numbers, and tried again. */
const ROLLED_BACK = 0.01;

export interface NumberingFigure {
  strategy: string;
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  orders: number;
  rolledBack: number;
  /** Numbers up to the highest that no order has. */
  gaps: number;
  /** Orders whose number another order had already. */
  duplicates: number;
}

interface Waiting {
  since: number;
  placed: () => void;
}

/** Callers who place one order after the other, and the workers that carry their orders into the database. */
class OrderDesk {
  readonly #strategy: NumberingStrategy;
  readonly #take: NumberTaker;
  readonly #waiting: Waiting[] = [];
  readonly #idle: number[] = [];
  readonly #clients: Client[];
  readonly latenciesMs: number[] = [];
  rolledBack = 0;
  measuring = false;
  #open = true;

  constructor(strategy: NumberingStrategy, clients: Client[], besides: Client[]) {
    this.#strategy = strategy;
    this.#clients = clients;
    this.#take = strategy.open({ besides });
    this.#idle.push(...clients.keys());
  }

  async serve(seconds: number): Promise<void> {
    const callers = Promise.all(Array.from({ length: CALLERS }, () => this.#keepOrdering()));
    const watch = async (): Promise<void> => {
      await pause(WARM_UP_MS);
      this.measuring = true;
      await pause(seconds * 1000);
      this.measuring = false;
      this.#open = false;
    };
    await Promise.all([callers, watch()]);
  }

  async #keepOrdering(): Promise<void> {
    while (this.#open) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const order = { since: performance.now(), placed: resolve };
      this.#waiting.push(order);
      this.#dispatch();
      await promise;
      if (this.measuring) this.latenciesMs.push(performance.now() - order.since);
    }
  }

  /** While every worker is busy orders gather, and the next one that is free takes as many as it may. */
  #dispatch(): void {
    const worker = this.#waiting.length > 0 ? this.#idle.pop() : undefined;
    if (worker === undefined) return;
    // After this turn of the event loop, so that callers answered together are also taken together.
    setImmediate(() => {
      const orders = this.#waiting.splice(0, this.#strategy.ordersPerTransaction);
      void this.#place(worker, orders).then(() => {
        this.#idle.push(worker);
        for (const order of orders) order.placed();
        this.#dispatch();
      });
    });
  }

  async #place(worker: number, orders: Waiting[]): Promise<void> {
    const client = this.#clients[worker];
    if (client === undefined || orders.length === 0) return;
    for (;;) {
      await client.query('BEGIN');
      const numbers = await this.#take(client, worker, orders.length);
      await client.query({
        name: 'insert-orders',
        text: 'INSERT INTO placed (number) SELECT * FROM unnest($1::bigint[])',
        values: [numbers],
      });
      const rollBack = Math.random() < ROLLED_BACK;
      await client.query(rollBack ? 'ROLLBACK' : 'COMMIT');
      if (!rollBack) return;
      this.rolledBack += 1;
    }
  }
}

/** Runs one strategy on fresh tables and looks at what numbers came out. */
export async function measureNumbering(
  strategy: NumberingStrategy,
  databaseUrl: string,
  seconds: number,
): Promise<NumberingFigure> {
  const clients = await connectAll(databaseUrl, strategy.transactionsAtOnce);
  const besides = await connectAll(databaseUrl, PROCESSES);
  const disconnect = owned(async () => {
    await Promise.all([...clients, ...besides].map((client) => client.end()));
  });
  try {
    const [admin] = besides;
    if (admin === undefined) throw new Error('no connection to make the tables with');
    await admin.query(SCHEMA);
    const desk = new OrderDesk(strategy, clients, besides);
    await desk.serve(seconds);
    const sorted = desk.latenciesMs.sort((a, b) => a - b);
    return {
      strategy: strategy.id,
      perSecond: sorted.length / seconds,
      p50Ms: quantile(sorted, 0.5),
      p99Ms: quantile(sorted, 0.99),
      rolledBack: desk.rolledBack,
      ...(await countNumbers(admin)),
    };
  } finally {
    await disconnect();
  }
}

async function countNumbers(
  client: Client,
): Promise<Pick<NumberingFigure, 'orders' | 'gaps' | 'duplicates'>> {
  const { rows } = await client.query<Pick<NumberingFigure, 'orders' | 'gaps' | 'duplicates'>>(`
    SELECT count(*)::int AS orders,
           (max(number) - count(DISTINCT number))::int AS gaps,
           (count(*) - count(DISTINCT number))::int AS duplicates
    FROM placed WHERE number > 0`);
  if (rows[0] === undefined) throw new Error('the numbers cannot be counted');
  return rows[0];
}

async function connectAll(databaseUrl: string, count: number): Promise<Client[]> {
  const clients = Array.from({ length: count }, () => new Client({ connectionString: databaseUrl }));
  await Promise.all(clients.map((client) => client.connect()));
  return clients;
}
