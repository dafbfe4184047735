import { setTimeout as pause } from 'node:timers/promises';

import type { OrderStatus } from '@daybook/orders';

import { request, tokenFor } from '../support/app.js';
import { KeepAliveClient } from '../support/keep-alive-client.js';
import { waitFor } from '../support/wait-for.js';
import { Crew } from './crew.js';
import { Random } from './random.js';
import { judgeWork, type WorkedDatabase } from './work-verdict.js';

export interface WorkersOptions {
  readonly seed: number;
  /** Placed in each round. */
  readonly orders: number;
  /** Worker processes; one that was killed is replaced. */
  readonly processes: number;
  readonly leaseSeconds: number;
}

/** What one round came to. */
export interface WorkReport {
  readonly round: number;
  readonly seconds: number;
  readonly confirmed: number;
  readonly failed: number;
  /** Worker processes that were killed. */
  readonly kills: number;
  /** Attempts that were cut off by that, and those that failed by themselves. */
  readonly abandoned: number;
  readonly failedAttempts: number;
  /** From a kill until the last of its orders was started anew, by the journal; 0 when there was none. */
  readonly longestPickUpMs: number;
  readonly problems: readonly string[];
}

interface Kill {
  readonly worker: string;
  /** By the database clock. */
  readonly at: Date;
}

/** How far the orders of the round under way have come. */
export type Progress = Readonly<Partial<Record<OrderStatus, number>>>;

const SKU = 'CHAOS-WORK';
const WORKERS_PER_PROCESS = 5;
const ATTEMPTS = 2;
const FAILURE_PERCENT = 25;
const CONNECTIONS = 16;
const HIGH = 0.3;
const LONGEST_WORK_MS = 400;
const LONGEST_PAUSE_MS = 150;
const LOOK_EVERY_MS = 50;
const STUCK_AFTER_MS = 90_000;

const COUNTS = `
  SELECT json_object_agg(status, count) AS counts
  FROM (SELECT status, count(*) FROM orders WHERE id > $1 GROUP BY status) AS counted`;
const LAST_NUMBER = 'SELECT coalesce(max(id), 0)::text AS last, business_now() AS now FROM orders';

// Daybook does not care which worker had an order; who measures what a kill costs does.
const WRITE_DOWN_STARTS = `
  CREATE TABLE worker_starts (number text, version int, worker text);
  CREATE FUNCTION write_down_start() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO worker_starts VALUES (NEW.entity_id, NEW.version, current_setting('application_name'));
    RETURN NULL;
  END $$;
  CREATE TRIGGER write_down_start AFTER INSERT ON journal FOR EACH ROW
    WHEN (NEW.data -> 'after' ->> 'status' = 'processing') EXECUTE FUNCTION write_down_start()`;

const PICK_UPS = `
  SELECT count(*) FILTER (WHERE outcome = 'abandoned')::int AS abandoned,
    count(*) FILTER (WHERE outcome = 'failed')::int AS "failedAttempts",
    coalesce(max(extract(epoch FROM taken_up_at - killed_at) * 1000) FILTER (WHERE outcome = 'abandoned'), 0)::float8
      AS "longestPickUpMs"
  FROM (
    SELECT entity_id AS number, version - 1 AS version, data -> 'attempt' ->> 'outcome' AS outcome,
      coalesce(lead(occurred_at) OVER (PARTITION BY entity_id ORDER BY version), occurred_at) AS taken_up_at
    FROM journal WHERE entity_type = 'order' AND occurred_at >= $3) AS attempt
  LEFT JOIN worker_starts USING (number, version)
  LEFT JOIN unnest($1::text[], $2::timestamptz[]) AS kill (worker, killed_at) USING (worker)`;

/** Rounds of orders, whose workers are killed and replaced until all are done, on one database. */
export class WorkersCampaign {
  /** The numbers of all orders that were answered. */
  readonly told: string[] = [];
  private readonly crew: Crew;
  private readonly protests: string[] = [];
  private lastBefore = '0';
  private killed = 0;

  private constructor(
    private readonly site: WorkedDatabase & { readonly origin: string },
    private readonly token: string,
    private readonly options: WorkersOptions,
  ) {
    this.crew = new Crew(site.url, {
      WORKER_COUNT: String(WORKERS_PER_PROCESS),
      WORKER_LEASE_SECONDS: String(options.leaseSeconds),
      ORDER_PROCESS_ATTEMPTS: String(ATTEMPTS),
      SIMULATED_FAILURE_PERCENT: String(FAILURE_PERCENT),
    });
  }

  /** @param site its server takes orders, and works none off */
  static async begin(
    site: WorkedDatabase & { readonly origin: string },
    options: WorkersOptions,
  ): Promise<WorkersCampaign> {
    const token = await tokenFor('chaos', 'operator');
    const post = async (path: string, body: object) => {
      const { status, text } = await request(site.origin, 'POST', `/api/v1${path}`, { token, body });
      if (status !== 201) throw new Error(`The shelves could not be filled: ${status} ${text}`);
    };
    await site.query(WRITE_DOWN_STARTS);
    await post('/products', { sku: SKU, name: 'Work', priceCents: 100 });
    await post('/stock-adjustments', { sku: SKU, quantityDelta: 1_000_000_000, reason: 'received' });
    return new WorkersCampaign(site, token, options);
  }

  async runRound(round: number): Promise<WorkReport> {
    const { site, crew, options } = this;
    const since = performance.now();
    const [before] = await site.query<{ last: string; now: Date }>(LAST_NUMBER);
    if (before === undefined) throw new Error('The database does not answer');
    this.lastBefore = before.last;
    this.killed = 0;
    await crew.hire(options.processes - crew.alive.length);
    const [kills] = await Promise.all([this.killSome(round), this.place(round)]);
    const isDone = await this.untilDone();
    const [attempts] = await site.query<Pick<WorkReport, 'abandoned' | 'failedAttempts' | 'longestPickUpMs'>>(
      PICK_UPS,
      [kills.map(({ worker }) => worker), kills.map(({ at }) => at), before.now],
    );
    const { confirmed = 0, failed = 0 } = await this.progress();
    return {
      round,
      seconds: (performance.now() - since) / 1000,
      confirmed,
      failed,
      kills: kills.length,
      ...(attempts as NonNullable<typeof attempts>),
      problems: [
        ...(isDone ? [] : [`nothing moved for ${STUCK_AFTER_MS / 1000} s, and there were orders left`]),
        ...(await this.judge()),
      ],
    };
  }

  async progress(): Promise<Progress> {
    const [row] = await this.site.query<{ counts: Progress | null }>(COUNTS, [this.lastBefore]);
    return row?.counts ?? {};
  }

  get killsOfRound(): number {
    return this.killed;
  }

  /** What the workers have said. */
  get output(): string {
    return this.crew.output;
  }

  /** What is wrong with everything that was done so far. */
  async judge(): Promise<string[]> {
    return [...this.protests, ...(await judgeWork(this.site, { numbers: this.told, output: this.output }))];
  }

  end(): Promise<void> {
    return this.crew.dismiss();
  }

  private async place(round: number): Promise<void> {
    const { orders, seed } = this.options;
    const random = new Random(seed, round, 1);
    const bodies = Array.from({ length: orders }, () => ({
      lines: [{ sku: SKU, quantity: random.between(1, 3) }],
      priority: random.chance(HIGH) ? 'high' : 'normal',
      processingTimeMs: random.between(0, LONGEST_WORK_MS),
    }));
    const place = async () => {
      const client = new KeepAliveClient(this.site.origin, this.token);
      for (let body = bodies.pop(); body !== undefined; body = bodies.pop()) {
        const { status, text } = await client.ask('/api/v1/orders', body);
        if (status === 201) this.told.push((JSON.parse(text) as { id: string }).id);
        else this.protests.push(`an order was answered ${status} ${text}`);
      }
      client.close();
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, place));
  }

  private async killSome(round: number): Promise<Kill[]> {
    const { site, crew, options } = this;
    const random = new Random(options.seed, round, 2);
    const shares = Array.from({ length: random.between(2, 4) }, () => random.between(2, 75) / 100);
    const kills: Kill[] = [];
    const hirings: Promise<void>[] = [];
    for (const share of shares.toSorted((a, b) => a - b)) {
      await waitFor('work to be done', async () => (await this.done()) >= share * options.orders);
      // The condition comes true when orders have ended; the kill shall meet the next ones anywhere on their way.
      await pause(random.between(0, LONGEST_PAUSE_MS));
      const victim = await waitFor('a worker', () => crew.alive.length > 0 && random.pick(crew.alive));
      const [row] = await site.query<{ now: Date }>('SELECT business_now() AS now');
      kills.push({ worker: victim.name, at: (row as { now: Date }).now });
      await crew.kill(victim);
      this.killed += 1;
      hirings.push(crew.hire(1));
    }
    await Promise.all(hirings);
    return kills;
  }

  private async done(): Promise<number> {
    const { confirmed = 0, failed = 0 } = await this.progress();
    return confirmed + failed;
  }

  /** False when nothing moves any more before all are done. */
  private async untilDone(): Promise<boolean> {
    let seen = '';
    for (let movedAt = performance.now(); performance.now() - movedAt < STUCK_AFTER_MS;) {
      const progress = await this.progress();
      const { pending = 0, processing = 0 } = progress;
      if (pending + processing === 0) return true;
      if (JSON.stringify(progress) !== seen) movedAt = performance.now();
      seen = JSON.stringify(progress);
      await pause(LOOK_EVERY_MS);
    }
    return false;
  }
}
