import { startTestApp, type TestApp } from '../support/app.js';
import { insertExchangeOrders } from '../support/exchange-rows.js';
import { expectProblem } from '../support/problem.js';
import { runNamedJob } from '../support/run-named-job.js';
import { Latch, ScriptedVenue } from '../support/scripted-venue.js';
import { waitFor } from '../support/wait-for.js';

const venue = new ScriptedVenue();
let daybook: TestApp;
beforeAll(async () => {
  daybook = await startTestApp({ DAYBOOK_ROLES: 'api', LOG_LEVEL: 'fatal' }, venue);
});
afterAll(() => daybook.stop());

const BODY = { instrument: 'US0378331005', side: 'buy', type: 'market', quantity: 100 };
let ahead = 0;

beforeEach(async () => {
  venue.reset();
  // Enough that is well for the circuit breaker to stay closed.
  await Promise.all(Array.from({ length: 25 }, place));
  venue.asked.length = 0;
  venue.onPlace = () => ({ kind: 'unknown', reason: 'No answer' });
  await daybook.database.query(`UPDATE exchange_orders SET status = 'failed' WHERE status LIKE '%pending'`);
});

const place = async () => (await daybook.api('POST', '/exchange/orders', { body: BODY })).body;
const readOrder = async (id: string) => (await daybook.api('GET', `/exchange/orders/${id}`)).body;
const recover = async () => expect((await runNamedJob(daybook, JOB)).result).toBe('succeeded');
/** The run only begins to ask. */
const untilStatus = (id: string, status: string) =>
  waitFor(status, async () => {
    const order = await readOrder(id);
    return order.status === status && order;
  });
const JOB = 'recover-exchange-orders';
const later = async (seconds: number) => {
  ahead += seconds;
  await daybook.database.shiftTime(`${ahead} seconds`);
};

describe('an order whose fate is unknown', () => {
  it('is left alone as long as its answer may still come', async () => {
    const { id } = await place();
    await recover();
    expect(venue.asked).toEqual([{ request: 'place', id }]);
  });

  it('becomes created when the venue has it', async () => {
    const { id } = await place();
    await later(7);
    venue.onFind = () => ({ kind: 'found' });
    await recover();
    expect(await untilStatus(id, 'created')).toMatchObject({ version: 2 });
    expect(venue.count('place')).toBe(1);
    const [entry] = await daybook.database.query<{ actor: string; request_id: string }>(
      'SELECT actor, request_id FROM journal WHERE entity_id = $1 AND version = 2',
      [id],
    );
    expect(entry).toEqual({ actor: 'daybook', request_id: expect.stringMatching(`^job/${JOB}/`) });
  });

  it('becomes rejected when the venue has refused it', async () => {
    const { id } = await place();
    await later(7);
    venue.onFind = () => ({ kind: 'refused', reason: 'Unknown instrument' });
    await recover();
    expect(await untilStatus(id, 'rejected')).toMatchObject({ reason: 'Unknown instrument' });
  });

  it('is sent again when the venue has never seen it', async () => {
    const { id } = await place();
    await later(7);
    venue.onPlace = () => ({ kind: 'accepted' });
    await recover();
    await untilStatus(id, 'created');
    expect(venue.asked.map(({ request }) => request)).toEqual(['place', 'find', 'place']);
    expect(new Set(venue.asked.map((each) => each.id))).toEqual(new Set([id]));
  });

  it('is not sent again when it is old, and given up when it is older', async () => {
    const { id } = await place();
    await later(14 * 60);
    await recover();
    await waitFor('it to be sent again', () => venue.count('place', id) === 2);
    await later(2 * 60);
    await recover();
    await waitFor('the venue to be asked', () => venue.count('find', id) === 2);
    await later(3 * 60);
    await recover();
    await waitFor('the venue to be asked', () => venue.count('find', id) === 3);
    expect(await readOrder(id)).toMatchObject({ status: 'pending' });
    await later(60);
    await recover();
    const reason = 'The venue never saw it; it was too late to send it again';
    expect(await untilStatus(id, 'failed')).toMatchObject({ reason, version: 2 });
    expect(venue.count('place', id)).toBe(2);
  });

  it('becomes created however old it is, when the venue has it', async () => {
    const { id } = await place();
    await later(3 * 60 * 60);
    venue.onFind = () => ({ kind: 'found' });
    await recover();
    expect(await untilStatus(id, 'created')).toMatchObject({ reason: null });
  });

  it('is asked about again, with longer and longer pauses, until something is known', async () => {
    const { id } = await place();
    await later(7);
    venue.onFind = () => ({ kind: 'unknown', reason: 'No answer' });
    await recover();
    await recover();
    expect(venue.count('find')).toBe(1);
    for (const [seconds, times] of [
      [3, 2],
      [3, 2],
      [2, 3],
      [16, 4],
      [14, 4],
      [2, 5],
    ] as const) {
      await later(seconds);
      await recover();
      expect([seconds, venue.count('find')]).toEqual([seconds, times]);
    }
    venue.onFind = () => ({ kind: 'found' });
    await later(16);
    await recover();
    await untilStatus(id, 'created');
    expect(venue.count('place')).toBe(1);
  });

  it('stays so when sending it again came to nothing: the first one may still arrive', async () => {
    const { id } = await place();
    await later(7);
    venue.onPlace = () => ({ kind: 'unavailable', reason: 'Closed' });
    await recover();
    await waitFor('it to be sent again', () => venue.count('place', id) === 2);
    // Whatever is written down is written down in turn.
    venue.onPlace = () => ({ kind: 'accepted' });
    await place();
    expect(await readOrder(id)).toMatchObject({ status: 'pending', version: 1 });
  });
});

describe('an order at another venue', () => {
  it('is neither asked about nor sent, nor can it be cancelled', async () => {
    const pending = await place();
    venue.onPlace = () => ({ kind: 'accepted' });
    const open = await place();
    await daybook.database.query(
      `UPDATE exchange_orders SET venue = 'XOLD' WHERE status IN ('pending', 'created')`,
    );
    venue.asked.length = 0;
    await later(7);
    expect(await runNamedJob(daybook, JOB)).toMatchObject({
      result: 'failed',
      error: expect.stringContaining('XOLD, and this process is connected to XTST'),
    });
    const answer = await daybook.api('DELETE', `/exchange/orders/${open.id}`);
    const problem = expectProblem(answer, 503, 'exchange_not_configured');
    expect(problem.detail).toContain('XOLD');
    expect(venue.asked).toEqual([]);
    expect(await readOrder(pending.id)).toMatchObject({ status: 'pending' });
  });
});

describe('a placement that has taken longer than anybody waits for', () => {
  it('does not fail an order that was sent again meanwhile', async () => {
    const latch = new Latch();
    venue.onPlace = async () => {
      await latch.wait();
      return { kind: 'unavailable', reason: 'Too late' };
    };
    const placing = place();
    await latch.whenReached;
    await later(7);
    venue.onPlace = () => ({ kind: 'accepted' });
    await recover();
    await untilStatus(venue.asked[0]?.id ?? '', 'created');
    latch.open();
    expect(await placing).toMatchObject({ status: 'created', version: 2 });
  });

  it('does not fail an order that is just being asked about', async () => {
    const [latch, asking] = [new Latch(), new Latch()];
    venue.onPlace = async () => {
      await latch.wait();
      return { kind: 'unavailable', reason: 'Too late' };
    };
    const placing = place();
    await latch.whenReached;
    await later(7);
    venue.onPlace = () => ({ kind: 'accepted' });
    venue.onFind = async () => {
      await asking.wait();
      return { kind: 'unseen' };
    };
    await recover();
    await asking.whenReached;
    latch.open();
    expect(await placing).toMatchObject({ status: 'pending' });
    asking.open();
    await untilStatus(venue.asked[0]?.id ?? '', 'created');
  });
});

describe('an order that shall be cancelled', () => {
  const wishToCancel = async () => {
    venue.onPlace = () => ({ kind: 'accepted' });
    const { id } = await place();
    await daybook.api('DELETE', `/exchange/orders/${id}`);
    await waitFor('the venue to be asked', () => venue.count('cancel', id) === 1);
    return id as string;
  };

  it('is asked about again when nothing came of it', async () => {
    venue.onCancel = () => ({ kind: 'unavailable', reason: 'Closed' });
    const id = await wishToCancel();
    await recover();
    expect(venue.count('cancel', id)).toBe(1);
    await later(7);
    venue.onCancel = () => ({ kind: 'requested' });
    await recover();
    expect(venue.count('cancel', id)).toBe(2);
    expect(await readOrder(id)).toMatchObject({ status: 'cancel_pending' });
  });

  it('is asked about again though it is filled all the while, and as soon as if it never had been unknown', async () => {
    const { id } = await place();
    venue.onFind = () => ({ kind: 'unknown', reason: 'No answer' });
    for (const seconds of [7, 3, 5, 9]) {
      await later(seconds);
      await recover();
    }
    venue.onFind = () => ({ kind: 'found' });
    await later(16);
    await recover();
    await untilStatus(id, 'created');
    venue.onCancel = () => ({ kind: 'unknown', reason: 'No answer' });
    await daybook.api('DELETE', `/exchange/orders/${id}`);
    await waitFor('the venue to be asked', () => venue.count('cancel', id) === 1);
    for (const times of [1, 2, 3]) {
      await later(times === 1 ? 5 : 4);
      await daybook.database.query(
        `UPDATE exchange_orders SET cum_quantity = $1, updated_at = business_now(), version = version + 1
         WHERE status = 'cancel_pending'`,
        [times],
      );
      await recover();
      expect([times, venue.count('cancel', id)]).toEqual([times, times === 1 ? 1 : times]);
    }
  });

  it('is cancelled when the venue does not know it', async () => {
    venue.onCancel = () => ({ kind: 'unknown', reason: 'No answer' });
    const id = await wishToCancel();
    await later(7);
    venue.onCancel = () => ({ kind: 'unseen' });
    await recover();
    expect(await untilStatus(id, 'cancelled')).toMatchObject({ version: 4 });
  });
});

describe('the circuit breaker', () => {
  const circuit = async () =>
    /daybook_exchange_circuit\{state="(\w+)"\} 1/.exec(
      await (await fetch(`${daybook.origin}/metrics`)).text(),
    )?.[1];

  it('opens when the venue does not answer, lets one through now and then, and closes when that one is answered', async () => {
    venue.onPlace = () => ({ kind: 'unavailable', reason: 'No route' });
    for (let sent = 0; (await circuit()) === 'closed'; sent += 1) {
      expect(sent).toBeLessThan(100);
      await place();
    }
    expect(await circuit()).toBe('open');
    venue.asked.length = 0;
    const problem = await place();
    expect(problem).toMatchObject({
      code: 'venue_unavailable',
      reason: expect.stringContaining('not asked for now'),
    });
    expect(venue.asked).toEqual([]);
    venue.onPlace = () => ({ kind: 'accepted' });
    const placed = await waitFor('a placement that is let through', async () => {
      const answer = await place();
      return answer.status === 'created' && answer;
    });
    expect(placed).toMatchObject({ status: 'created' });
    expect(await circuit()).toBe('closed');
  });
});

describe('a server without a venue', () => {
  let lonely: TestApp;
  beforeAll(async () => {
    lonely = await startTestApp({ DAYBOOK_ROLES: 'api', LOG_LEVEL: 'fatal' });
  });
  afterAll(() => lonely.stop());

  it('says so when orders wait for a word of one', async () => {
    const recoverThere = () => runNamedJob(lonely, JOB);
    expect(await recoverThere()).toMatchObject({ result: 'succeeded' });
    await insertExchangeOrders(lonely.database, 1, { status: 'pending' });
    expect(await recoverThere()).toMatchObject({
      result: 'failed',
      error: expect.stringContaining('XSIM, and this process is connected to none'),
    });
  });
});
