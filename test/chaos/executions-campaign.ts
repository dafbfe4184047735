import { setTimeout as pause } from 'node:timers/promises';

import { VenueProcess } from '../support/exchange-simulator-process.js';
import { NatsServer } from '../support/nats-server.js';
import { waitFor } from '../support/wait-for.js';
import { Crew } from './crew.js';
import { type Expected, keepBooks } from './execution-oracle.js';
import { type Blow, type ExecutionPlan, planBlows, planExecutions } from './execution-plan.js';
import { judgeExecutions } from './execution-verdict.js';
import { idOf, plantOrders } from './planted-orders.js';
import { Random } from './random.js';
import type { WorkedDatabase } from './work-verdict.js';

export const BUSES = ['postgres', 'nats'] as const;
export type BusName = (typeof BUSES)[number];

export interface ExecutionsOptions {
  readonly seed: number;
  readonly bus: BusName;
  readonly reports: number;
  readonly orders: number;
  /** How fast the venue reports. */
  readonly ratePerSecond: number;
  /** How often a process, or the connection to the venue, is struck. */
  readonly kills: number;
  /** How often the broker is killed; the first time it loses its disk. */
  readonly brokerKills: number;
  /** Of each of the two roles. */
  readonly processes: number;
}

/** How far it has come. */
export interface ExecutionsProgress {
  readonly reported: number;
  readonly applied: number;
  readonly blows: number;
}

export interface ExecutionsReport {
  readonly seconds: number;
  /** All that the venue has reported; and, of these, what stands where. */
  readonly reports: number;
  readonly recorded: number;
  readonly repeated: number;
  readonly quarantined: number;
  readonly parked: number;
  readonly orders: number;
  /** How often the stream was begun anew. */
  readonly connections: number;
  readonly blows: readonly Blow[];
  /** From a blow until all was applied that had been reported before. */
  readonly longestRecoveryMs: number;
  readonly problems: readonly string[];
}

const STUCK_AFTER_MS = 60_000;
const LOOK_EVERY_MS = 50;
const PRICE_CENTS = 1_000;
/** Faults of the stream in all, whatever its length. */
const [GAPS, CUTS] = [25, 10];

const PROGRESS = `
  SELECT coalesce(sum(recorded + duplicates + parked + quarantined), 0)::float8 AS applied,
    coalesce(min(applied), 0)::float8 AS through,
    (SELECT count(*)::int FROM parked_executions JOIN exchange_orders ON id = order_id) AS waiting
  FROM execution_offsets`;

const FIGURES = `
  SELECT sum(recorded)::float8 AS recorded, sum(duplicates)::float8 AS repeated,
    (SELECT count(*)::int FROM quarantined_executions) AS quarantined,
    (SELECT count(*)::int FROM parked_executions) AS parked,
    (SELECT count(*)::int FROM exchange_orders) AS orders,
    (SELECT sum(connections)::int FROM execution_streams) AS connections
  FROM execution_offsets`;

/** A flood of reports, and what becomes of it while everybody who carries it is killed now and then. */
export class ExecutionsCampaign {
  private readonly plan: ExecutionPlan;
  private readonly random: Random;
  private readonly crews: Readonly<Record<'receiver' | 'consumer', Crew>>;
  private expected: Expected | undefined;
  private reported = 0;
  private applied = 0;
  private through = 0;
  private waiting = 0;
  private struck = 0;

  private constructor(
    private readonly site: WorkedDatabase,
    private readonly options: ExecutionsOptions,
    private readonly venue: VenueProcess,
    private readonly broker: NatsServer | undefined,
  ) {
    this.plan = planExecutions(options);
    this.random = new Random(options.seed, 3);
    const environment = {
      EXCHANGE_URL: venue.url,
      ...(broker !== undefined && { NATS_URL: broker.url }),
    };
    this.crews = {
      receiver: new Crew(site.url, environment, 'receiver'),
      consumer: new Crew(site.url, environment, 'consumer'),
    };
  }

  static async begin(site: WorkedDatabase, options: ExecutionsOptions): Promise<ExecutionsCampaign> {
    const venue = await VenueProcess.start(options.seed, 2 * options.reports + 1_000_000);
    const broker = options.bus === 'nats' ? await NatsServer.start() : undefined;
    const campaign = new ExecutionsCampaign(site, options, venue, broker);
    try {
      await site.query(`SELECT make_partitions(to_char(business_now(), 'YYYYMM'))`);
      await plantOrders(
        site,
        campaign.plan.orders.filter(({ knownAt }) => knownAt === 0),
      );
      await Promise.all(Object.values(campaign.crews).map((crew) => crew.hire(options.processes)));
      return campaign;
    } catch (error) {
      await campaign.end();
      throw error;
    }
  }

  get progress(): ExecutionsProgress {
    return { reported: this.reported, applied: this.applied, blows: this.struck };
  }

  /** What the processes have said. */
  get output(): string {
    return Object.values(this.crews)
      .map(({ output }) => output)
      .join('');
  }

  /** What has to have come of it; known when {@link run} has ended. */
  get books(): Expected {
    if (this.expected === undefined) throw new Error('The stream is not over');
    return this.expected;
  }

  async run(): Promise<ExecutionsReport> {
    const { options, venue } = this;
    const since = performance.now();
    const percent = (times: number) => (100 * times) / options.reports;
    await venue.behave({
      duplicatePercent: 2,
      reorderPercent: 2,
      reorderWindow: 50,
      repeatPercent: 1,
      overfillPercent: 5,
      unknownOrderPercent: 0.05,
      gapPercent: percent(GAPS),
      disconnectPercent: percent(CUTS),
    });
    await this.flood();
    const brokerKills = this.broker === undefined ? 0 : options.brokerKills;
    const blows = planBlows(options.seed, { ...options, brokerKills });
    const watching = new AbortController();
    const watch = this.watch(watching.signal);
    try {
      const striking = this.strike(blows);
      // If the rest fails before, that is what is told.
      striking.catch(() => undefined);
      await Promise.all([this.placeLate(), venue.floodEnd(STUCK_AFTER_MS * 10)]);
      await venue.behave({ gapPercent: 0, disconnectPercent: 0, duplicatePercent: 0, reorderPercent: 0 });
      // What was left out at the very end is noticed by nothing that follows.
      await venue.cut();
      const isDone = await this.untilDone();
      const seconds = (performance.now() - since) / 1_000;
      const longestRecoveryMs = isDone ? Math.max(0, ...(await striking)) : Infinity;
      return await this.conclude({ seconds, blows, longestRecoveryMs }, isDone);
    } finally {
      watching.abort();
      await watch;
    }
  }

  /** What is wrong with what has come of it. */
  judge(): Promise<string[]> {
    return judgeExecutions(this.site, this.books, this.reported);
  }

  async end(): Promise<void> {
    await Promise.all(Object.values(this.crews).map((crew) => crew.dismiss()));
    await Promise.all([this.venue.stop(), this.broker?.close()]);
  }

  private async conclude(
    course: Pick<ExecutionsReport, 'seconds' | 'blows' | 'longestRecoveryMs'>,
    isDone: boolean,
  ): Promise<ExecutionsReport> {
    const day = await this.day();
    const known = this.plan.orders.filter(({ knownAt }) => knownAt !== undefined);
    const ordered = new Map(known.map((order) => [idOf(order, day), order.quantity]));
    this.expected = keepBooks(await this.venue.reports(), ordered);
    const [figures] =
      await this.site.query<
        Pick<ExecutionsReport, 'recorded' | 'repeated' | 'quarantined' | 'parked' | 'orders' | 'connections'>
      >(FIGURES);
    return {
      ...course,
      reports: this.reported,
      ...(figures as NonNullable<typeof figures>),
      problems: [
        ...(isDone ? [] : [`nothing moved for ${STUCK_AFTER_MS / 1_000} s, and there were reports left`]),
        ...(await this.judge()),
      ],
    };
  }

  private async flood(): Promise<void> {
    const { orders, fillsPerOrder } = this.plan;
    const day = await this.day();
    await this.venue.flood({
      orders: orders.map((order) => ({ clOrdId: idOf(order, day), quantity: order.quantityAtVenue })),
      fillsPerOrder,
      priceCents: PRICE_CENTS,
      ratePerSecond: this.options.ratePerSecond,
      concurrentOrders: Math.ceil(orders.length / 10),
      acknowledge: true,
    });
  }

  private async day(): Promise<string> {
    const [row] = await this.site.query<{ day: string }>(
      `SELECT to_char(placed_at, 'YYYYMMDD') AS day FROM exchange_orders LIMIT 1`,
    );
    return `${row?.day}`;
  }

  /** Orders whose first reports are there before they are. */
  private async placeLate(): Promise<void> {
    const late = this.plan.orders.filter(({ knownAt = 0 }) => knownAt > 0);
    const groups = [...Map.groupBy(late, ({ knownAt = 0 }) => knownAt)].toSorted(([a], [b]) => a - b);
    for (const [share, orders] of groups) {
      await this.reached(share);
      await plantOrders(this.site, orders);
    }
  }

  /** @returns how long each was felt */
  private async strike(blows: readonly Blow[]): Promise<number[]> {
    const [replacing, recovering]: [Promise<void>[], Promise<number>[]] = [[], []];
    for (const { at, what } of blows) {
      await this.reached(at);
      await pause(this.random.between(0, 100));
      recovering.push(this.recovery());
      if (what === 'connection') await this.venue.cut();
      else if (what === 'broker') await this.broker?.restart('same');
      else if (what === 'broker and its disk') await this.broker?.restart('new');
      else {
        const crew = this.crews[what];
        const victim = await waitFor(
          `a ${what}`,
          () => crew.alive.length > 0 && this.random.pick(crew.alive),
        );
        await crew.kill(victim);
        replacing.push(crew.hire(1));
      }
      this.struck += 1;
    }
    await Promise.all(replacing);
    return Promise.all(recovering);
  }

  /** Resolves when all is applied that has been reported by now. */
  private async recovery(): Promise<number> {
    const [since, { reported }] = [performance.now(), this];
    await waitFor('a blow to be got over', () => this.through >= reported, 2 * STUCK_AFTER_MS);
    return performance.now() - since;
  }

  private async reached(share: number): Promise<void> {
    const wanted = share * this.options.reports;
    await waitFor(`${wanted} reports to be applied`, () => this.applied >= wanted, STUCK_AFTER_MS * 10);
  }

  private async watch(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const [row] = await this.site.query<{ applied: number; through: number; waiting: number }>(PROGRESS);
      this.reported = (await this.venue.counts()).reports;
      this.applied = row?.applied ?? 0;
      this.through = row?.through ?? 0;
      this.waiting = row?.waiting ?? 0;
      await pause(LOOK_EVERY_MS);
    }
  }

  /** False when nothing moves any more before all is applied. */
  private async untilDone(): Promise<boolean> {
    const { reports } = await this.venue.counts();
    let seen = '';
    for (let movedAt = performance.now(); performance.now() - movedAt < STUCK_AFTER_MS;) {
      if (this.through >= reports && this.waiting === 0) return true;
      const now = `${this.applied} ${this.through} ${this.waiting}`;
      if (now !== seen) movedAt = performance.now();
      seen = now;
      await pause(LOOK_EVERY_MS);
    }
    return false;
  }
}
