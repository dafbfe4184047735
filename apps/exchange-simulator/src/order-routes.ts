import type { ServerResponse } from 'node:http';

import { InvalidInput } from './behaviour.js';
import type { Counts, RequestKind } from './counts.js';
import { between, chance, randomFrom } from './random.js';
import { type Reply, send } from './requests.js';
import type { Timing } from './timing.js';
import type { Venue } from './venue.js';
import { describeOrder, type OrderRequest, readOrderRequest } from './venue-order.js';

const unseen = (clOrdId: string): Reply => ({
  status: 404,
  body: { code: 'unseen', clOrdId, error: 'The venue has never seen this order' },
});
const NOT_TAKEN: Reply = { status: 503, body: { code: 'not_taken', error: 'Nothing was taken; try again' } };

/** The requests a venue answers, with all that can go wrong on the way. */
export class OrderRoutes {
  constructor(
    private readonly venue: Venue,
    private readonly counts: Counts,
    private readonly seed: number,
    private readonly timing: Timing,
  ) {}

  /** An order that is none is refused, for good: the same text will not be one another time. */
  place(body: Readonly<Record<string, unknown>>, response: ServerResponse): void {
    let order: OrderRequest;
    try {
      order = readOrderRequest(body);
    } catch (error) {
      if (!(error instanceof InvalidInput)) throw error;
      send(response, { status: 400, body: { code: 'refused', reason: error.message } });
      return;
    }
    this.request('place', order.clOrdId, response, () => {
      const isKnown = this.venue.find(order.clOrdId) !== undefined;
      const { refusal } = this.venue.place(order);
      const became = refusal === undefined ? 'accepted' : 'refused';
      this.counts.placed(order.clOrdId, isKnown ? 'repeated' : became);
      if (refusal !== undefined) return { status: 422, body: { code: 'refused', reason: refusal } };
      return { status: 201, body: { clOrdId: order.clOrdId } };
    });
  }

  cancel(clOrdId: string, response: ServerResponse): void {
    this.request('cancel', clOrdId, response, () =>
      this.venue.cancel(clOrdId) ? { status: 202, body: { clOrdId } } : unseen(clOrdId),
    );
  }

  find(clOrdId: string, response: ServerResponse): void {
    this.request('find', clOrdId, response, () => {
      const order = this.venue.find(clOrdId);
      return order === undefined ? unseen(clOrdId) : { status: 200, body: describeOrder(order) };
    });
  }

  /** Takes its time; what is asked is done in the middle of it, even if nobody waits for the answer any more. */
  private request(kind: RequestKind, clOrdId: string, response: ServerResponse, act: () => Reply): void {
    const { latencyMinMs, latencyMaxMs, failurePercent, lostAnswerPercent } = this.venue.behaviour;
    const random = randomFrom(this.seed, kind, clOrdId, this.counts.received(kind, clOrdId));
    const half = between(random, latencyMinMs, latencyMaxMs) / 2;
    const isFailure = chance(random, failurePercent);
    const isLost = chance(random, lostAnswerPercent);
    const isCut = random() < 0.5;
    this.later(half, () => {
      if (isFailure) this.counts.failed();
      const reply = isFailure ? NOT_TAKEN : act();
      this.later(half, () => {
        if (isFailure || !isLost) return send(response, reply);
        this.counts.unanswered();
        // Else the connection hangs until the other side gives up.
        if (isCut) response.destroy();
      });
    });
  }

  private later(ms: number, work: () => void): void {
    if (ms === 0) work();
    else this.timing.after(ms, work);
  }
}
