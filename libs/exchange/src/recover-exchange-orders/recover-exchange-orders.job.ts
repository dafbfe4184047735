import { type BeforeApplicationShutdown, Inject, Injectable, Logger } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

import {
  CONFIG,
  type DaybookConfig,
  type JobRun,
  type RequestContext,
  type RunsJob,
  ScheduledJob,
} from '@daybook/platform';

import type { Resolution } from '../decide-settlement.js';
import {
  EXCHANGE_ORDER_COLUMNS,
  type ExchangeOrder,
  type ExchangeOrderId,
  type ExchangeOrderRow,
  storedId,
  toExchangeOrder,
} from '../exchange-order.entity.js';
import { SettleExchangeOrders } from '../settle-exchange-orders.js';
import { Venue } from '../venue.js';

// Behind the deadline of a request, for the commit before it and the one behind it.
const MARGIN_MS = 2_000;
const LONGEST_PAUSE_SECONDS = 15;
// An order means the market of its moment: this long after it was placed it is not sent any more,
const SENT_FOR_SECONDS = 15 * 60;
// and when the last one that was sent must have arrived, or never will, it is given up.
const GIVEN_UP_AFTER_SECONDS = 20 * 60;
const TOO_LATE = 'The venue never saw it; it was too late to send it again';
// How many wait here for each that is asked about.
const ROUNDS_AHEAD = 4;

// The mark that it was asked about is made before it is: from then on nobody takes `unavailable` for the last word on it.
// As long as nobody has asked about it here, whoever placed it, or wishes to cancel it, may be doing so: since it was
// placed, or since the wish. What else happens to the order meanwhile, as fills do, makes no difference.
// First come those that nobody has asked about, which are pending, then whoever was asked about longest ago: however many
// the venue has no word on, the others have their turn.
// Another venue than the order's could only say that it has never seen it.
// Served by exchange_orders_by_status. One that another transaction holds is just being changed.
const CLAIM = `
  UPDATE exchange_orders SET asked_at = (SELECT business_now()), asked = asked + 1
  WHERE id = ANY(ARRAY(
    SELECT id FROM exchange_orders
    WHERE status IN ('pending', 'cancel_pending') AND venue = $3 AND id <> ALL($4::bigint[])
      AND coalesce(asked_at, updated_at) < (SELECT business_now()) - make_interval(secs =>
        CASE asked WHEN 0 THEN $1 ELSE least(power(2, least(asked, 10)), ${LONGEST_PAUSE_SECONDS}) END)
    ORDER BY asked_at NULLS FIRST, id LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED))
  RETURNING ${EXCHANGE_ORDER_COLUMNS}, extract(epoch FROM asked_at - placed_at)::float8 AS "ageSeconds"`;

const ELSEWHERE = `
  SELECT DISTINCT venue FROM exchange_orders WHERE status IN ('pending', 'cancel_pending') AND venue <> $1 ORDER BY venue`;

type ClaimedRow = ExchangeOrderRow & { readonly ageSeconds: number };

interface Unsettled {
  readonly order: ExchangeOrder;
  /** How long ago it was placed, by the clock of the database. */
  readonly ageSeconds: () => number;
}

/**
 * Asks the venue about orders whose fate is not known: the answer was lost, or the process that waited for it is gone.
 * What the venue has never seen is sent again, under the same ClOrdID: should the first one still be on its way, the
 * venue takes whichever comes first, and answers the other as that one. What is too old to be sent is given up.
 */
@Injectable()
@ScheduledJob({
  name: 'recover-exchange-orders',
  everySeconds: () => 2,
  leaseSeconds: 30,
  description: 'Asks the venue about exchange orders whose fate is not known.',
})
export class RecoverExchangeOrders implements RunsJob, BeforeApplicationShutdown {
  private readonly logger = new Logger('Exchange');
  private readonly underWay = new Map<ExchangeOrderId, Promise<void>>();

  constructor(
    private readonly venue: Venue,
    private readonly settlements: SettleExchangeOrders,
    @Inject(CONFIG) private readonly config: DaybookConfig,
  ) {}

  /**
   * Only begins to ask: a run that waited for the venue would hold the lease meanwhile, and if its process died, nobody
   * else would ask before the lease has run out.
   * @throws when there are orders that this process cannot ask about
   */
  async run(run: JobRun): Promise<void> {
    if (this.venue.isConfigured) await this.beginAll(run);
    await this.refuseOthers(run);
  }

  private async beginAll(run: JobRun): Promise<void> {
    // As long as the circuit is open, one finds out whether the venue is back.
    const most = this.venue.isReachable ? this.venue.backgroundSlots * ROUNDS_AHEAD : 1;
    const free = Math.min(most - this.underWay.size, this.venue.backgroundRoom);
    if (free <= 0) return;
    let orders: readonly Unsettled[] = [];
    await run.batch(async (manager) => {
      orders = await this.claim(free, manager);
      return orders.length;
    });
    for (const unsettled of orders) this.begin(unsettled, run.context);
  }

  /** So that nothing asks for a database that is closed. */
  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all(this.underWay.values());
  }

  /** @throws when orders wait for a word of a venue that this process cannot ask: somebody has to see to it */
  private async refuseOthers(run: JobRun): Promise<void> {
    let venues: string[] = [];
    await run.batch(async (manager) => {
      const rows = await manager.query<{ venue: string }[]>(ELSEWHERE, [this.venue.name]);
      venues = rows.map(({ venue }) => venue);
      return 0;
    });
    if (venues.length === 0) return;
    const connected = this.venue.isConfigured ? this.venue.name : 'none';
    throw new Error(
      `Orders wait for a word of ${venues.join(', ')}, and this process is connected to ${connected}: see EXCHANGE_URL and EXCHANGE_VENUE`,
    );
  }

  private async claim(limit: number, manager: EntityManager): Promise<Unsettled[]> {
    const quietSeconds = (this.config.exchange.timeoutMs + MARGIN_MS) / 1000;
    const beingAsked = [...this.underWay.keys()].map(storedId);
    const [rows] = await manager.query<[ClaimedRow[], number]>(CLAIM, [
      quietSeconds,
      limit,
      this.venue.name,
      beingAsked,
    ]);
    const since = performance.now();
    return rows.map(({ ageSeconds, ...row }) => ({
      order: toExchangeOrder(row),
      ageSeconds: () => ageSeconds + (performance.now() - since) / 1000,
    }));
  }

  private begin(unsettled: Unsettled, context: RequestContext): void {
    const { order } = unsettled;
    const recovering = this.venue
      .inBackground(() => this.recover(unsettled, context))
      .catch((error: unknown) => {
        // No time for it now, or no database. Then there will be.
        const message = `It could not be found out what has become of order ${order.id}`;
        this.logger.warn({ err: error, orderId: order.id, message });
      })
      .finally(() => this.underWay.delete(order.id));
    this.underWay.set(order.id, recovering);
  }

  private async recover(unsettled: Unsettled, context: RequestContext): Promise<void> {
    const { order } = unsettled;
    const resolution = await (order.status === 'pending' ? this.lookFor(unsettled) : this.cancel(order));
    if (resolution === undefined) return;
    await this.settlements.settle({ orderId: order.id, resolution, context });
    const message = `Order ${order.id} was ${order.status}; the venue says: ${resolution.kind}`;
    this.logger.log({ orderId: order.id, outcome: resolution.kind, message });
  }

  /** Undefined as long as nothing is known. */
  private async lookFor({ order, ageSeconds }: Unsettled): Promise<Resolution | undefined> {
    const finding = await this.venue.find(order);
    switch (finding.kind) {
      case 'found':
        return { kind: 'accepted' };
      case 'refused':
        return finding;
      case 'unseen':
        if (ageSeconds() < SENT_FOR_SECONDS) return this.sendAgain(order);
        return ageSeconds() < GIVEN_UP_AFTER_SECONDS ? undefined : { kind: 'given_up', reason: TOO_LATE };
      case 'unavailable':
      case 'unknown':
        return undefined;
    }
  }

  /** `unavailable` speaks of this attempt alone: the first one may still arrive. */
  private async sendAgain(order: ExchangeOrder): Promise<Resolution | undefined> {
    const outcome = await this.venue.place(order);
    return outcome.kind === 'accepted' || outcome.kind === 'refused' ? outcome : undefined;
  }

  private async cancel(order: ExchangeOrder): Promise<Resolution | undefined> {
    const outcome = await this.venue.cancel(order);
    return outcome.kind === 'unseen' ? outcome : undefined;
  }
}
