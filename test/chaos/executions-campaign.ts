import { setTimeout as pause } from 'node:timers/promises';

import { VenueProcess } from '../support/exchange-simulator-process.js';
import { NatsServer } from '../support/nats-server.js';
import { waitFor } from '../support/wait-for.js';
import { Crew } from './crew.js';
import { type Expected, keepBooks } from './execution-oracle.js';
import { type Blow, type ExecutionPlan, planBlows, planExecutions } from './execution-plan.js';
import { type ExecutionFigures, readFigures, readProgress } from './executions-figures.js';
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
  /** How often the broker is struck: first it loses its disk, then its messages, then it is killed and nothing else. */
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

export interface ExecutionsReport extends ExecutionFigures {
  readonly seconds: number;
  /** All that the venue has reported. */
  readonly reports: number;
  readonly blows: readonly Blow[];
  /** From a blow until all was applied that had been reported before. */
  readonly longestRecoveryMs: number;
  readonly problems: readonly string[];
}

const STUCK_AFTER_MS = 60_000;
const LOOK_EVERY_MS = 50;
/** Sends what it has reported as it has reported it. */
const HONEST = { gapPercent: 0, disconnectPercent: 0, duplicatePercent: 0, reorderPercent: 0 };
const PRICE_CENTS = 1_000;
/** Faults of the stream in all, whatever its length. */
const [GAPS, CUTS] = [25, 10];

/** Nothing has been applied for a while. */
class Standstill extends Error {}

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
  private isStill = false;

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
    let longestRecoveryMs = Infinity;
    let isDone = false;
    try {
      // Watching ends by itself only with an error.
      await Promise.race([
        watch,
        this.untilDone(blows).then((recoveryMs) => {
          longestRecoveryMs = recoveryMs;
          isDone = true;
        }),
      ]);
    } catch (error) {
      if (!(error instanceof Standstill)) throw error;
    } finally {
      watching.abort();
      // Whoever still waits need not.
      this.isStill = true;
      await Promise.allSettled([watch]);
    }
    const seconds = (performance.now() - since) / 1_000;
    return this.conclude({ seconds, blows, longestRecoveryMs }, isDone);
  }

  /** What is wrong with what has come of it. */
  judge(): Promise<string[]> {
    return judgeExecutions(this.site, this.books, this.reported);
  }

  async end(): Promise<void> {
    await Promise.all(Object.values(this.crews).map((crew) => crew.dismiss()));
    await Promise.all([this.venue.stop(), this.broker?.close()]);
  }

  /** Strikes, and resolves when everything is applied. @returns how long the worst blow was felt */
  private async untilDone(blows: readonly Blow[]): Promise<number> {
    const { venue } = this;
    const isFlooded = async () => (await venue.floodProgress()).state !== 'running';
    const [recoveries] = await Promise.all([
      this.strike(blows),
      this.placeLate(),
      this.comes('the end of the flood', isFlooded),
    ]);
    await venue.behave(HONEST);
    // What was left out at the very end is noticed by nothing that follows.
    await venue.cut();
    const { reports } = await venue.counts();
    await this.comes('the end', () => this.through >= reports && this.waiting === 0);
    return Math.max(0, ...recoveries);
  }

  /** @throws {Standstill} when nothing moves any more before it comes true */
  private comes(what: string, isTrue: () => boolean | Promise<boolean>): Promise<boolean> {
    const look = () => {
      if (this.isStill) throw new Standstill();
      return isTrue();
    };
    return waitFor(what, look, Infinity);
  }

  private async conclude(
    course: Pick<ExecutionsReport, 'seconds' | 'blows' | 'longestRecoveryMs'>,
    isDone: boolean,
  ): Promise<ExecutionsReport> {
    const day = await this.day();
    const known = this.plan.orders.filter(({ knownAt }) => knownAt !== undefined);
    const ordered = new Map(known.map((order) => [idOf(order, day), order.quantity]));
    await this.venue.behave(HONEST);
    this.expected = keepBooks(await this.venue.reports(), ordered);
    return {
      ...course,
      reports: this.reported,
      ...(await readFigures(this.site)),
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
      const recovery = this.recovery();
      // If the campaign breaks off before, that is what is told.
      recovery.catch(() => undefined);
      recovering.push(recovery);
      if (what === 'connection') await this.venue.cut();
      else if (what === 'broker') await this.broker?.restart('same');
      else if (what === 'broker and its disk') await this.broker?.restart('new');
      else if (what === 'messages') await this.broker?.empty();
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
    await this.comes('the end of a blow', () => this.through >= reported);
    return performance.now() - since;
  }

  private async reached(share: number): Promise<void> {
    const wanted = share * this.options.reports;
    await this.comes(`${wanted} reports to be applied`, () => this.applied >= wanted);
  }

  private async watch(signal: AbortSignal): Promise<void> {
    let seen = '';
    for (let movedAt = performance.now(); !signal.aborted;) {
      ({
        applied: this.applied,
        through: this.through,
        waiting: this.waiting,
      } = await readProgress(this.site));
      this.reported = (await this.venue.counts()).reports;
      const now = `${this.applied} ${this.through} ${this.waiting}`;
      if (now !== seen) movedAt = performance.now();
      seen = now;
      this.isStill = performance.now() - movedAt > STUCK_AFTER_MS;
      await pause(LOOK_EVERY_MS);
    }
  }
}
