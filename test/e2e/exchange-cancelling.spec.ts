import { startTestApp, type TestApp } from '../support/app.js';
import { expectProblem } from '../support/problem.js';
import { Latch, ScriptedVenue } from '../support/scripted-venue.js';
import { waitFor } from '../support/wait-for.js';

const venue = new ScriptedVenue();
let daybook: TestApp;
beforeAll(async () => {
  daybook = await startTestApp({ DAYBOOK_ROLES: 'api', LOG_LEVEL: 'error' }, venue);
});
afterAll(() => daybook.stop());
beforeEach(() => venue.reset());

const BODY = { instrument: 'US0378331005', side: 'buy', type: 'market', quantity: 100 };

const placeAs = async (token = daybook.tokens.alice): Promise<string> =>
  (await daybook.api('POST', '/exchange/orders', { body: BODY, token })).body.id;
const cancel = (id: string, headers: Record<string, string> = {}, token = daybook.tokens.alice) =>
  daybook.api('DELETE', `/exchange/orders/${id}`, { token, headers });
const readOrder = async (id: string) => (await daybook.api('GET', `/exchange/orders/${id}`)).body;
const storedId = (id: string) => id.slice(1).replace('-', '00000');
const move = (id: string, status: string) =>
  daybook.database.query('UPDATE exchange_orders SET status = $2, version = version + 1 WHERE id = $1', [
    storedId(id),
    status,
  ]);

describe('DELETE of an order', () => {
  it('is answered 202 as soon as the wish is durable, and asks the venue', async () => {
    const latch = new Latch();
    venue.onCancel = async () => {
      await latch.wait();
      return { kind: 'requested' };
    };
    const id = await placeAs();
    const answer = await cancel(id);
    expect(answer.status).toBe(202);
    expect(answer.body).toMatchObject({ id, status: 'cancel_pending', leavesQuantity: 100, version: 3 });
    expect(answer.headers.get('etag')).toBe('"3"');
    await latch.whenReached;
    latch.open();
    expect(await readOrder(id)).toEqual(answer.body);
  });

  it('again is answered 202 again, and asks nobody', async () => {
    const id = await placeAs();
    const answers = await Promise.all([cancel(id), cancel(id), cancel(id)]);
    expect(answers.map(({ status, body }) => [status, body.version])).toEqual(answers.map(() => [202, 3]));
    await waitFor('the venue to be asked', () => venue.count('cancel') > 0);
    expect((await cancel(id)).status).toBe(202);
    expect(venue.count('cancel')).toBe(1);
  });

  it('that the venue does not know any more ends it', async () => {
    venue.onCancel = () => ({ kind: 'unseen' });
    const id = await placeAs();
    await cancel(id);
    await waitFor('the end', async () => (await readOrder(id)).status === 'cancelled');
    expect(await readOrder(id)).toMatchObject({
      reason: 'The venue does not know the order.',
      leavesQuantity: 0,
      version: 4,
    });
  });

  it('that a fill was faster than leaves it filled, though the venue says it does not know it', async () => {
    const latch = new Latch();
    venue.onCancel = async () => {
      await latch.wait();
      return { kind: 'unseen' };
    };
    const id = await placeAs();
    await cancel(id);
    await latch.whenReached;
    await daybook.database.query(
      `UPDATE exchange_orders SET status = 'filled', cum_quantity = quantity, version = version + 1 WHERE id = $1`,
      [storedId(id)],
    );
    latch.open();
    // Behind it in the same queue, so that it was written down when this is.
    const other = await placeAs();
    const rows = await daybook.database.query(
      'SELECT count(*)::int AS rows FROM journal WHERE entity_id = ANY($1)',
      [[id, other]],
    );
    expect(rows).toEqual([{ rows: 3 + 2 }]);
    expect(await readOrder(id)).toMatchObject({ status: 'filled' });
  });

  it('of one whose fate is unknown is refused, and says why', async () => {
    venue.onPlace = () => ({ kind: 'unknown', reason: 'No answer' });
    const id = await placeAs();
    const problem = expectProblem(await cancel(id), 409, 'illegal_transition');
    expect(problem.detail).toContain('It is not known yet whether');
    expect(problem).toMatchObject({ from: 'pending', to: 'cancel_pending' });
    expect(venue.count('cancel')).toBe(0);
  });

  it.each(['filled', 'cancelled', 'rejected', 'expired', 'failed'])(
    'that is %s is refused',
    async (status) => {
      const id = await placeAs();
      await move(id, status);
      expect(expectProblem(await cancel(id), 409, 'illegal_transition')).toMatchObject({
        from: status,
        allowed: [],
      });
      const { body } = await daybook.api('GET', `/exchange/orders/${id}/transitions`);
      expect(body).toEqual({ status, version: 3, allowed: [] });
    },
  );

  it('at another version than the caller has seen changes nothing', async () => {
    const id = await placeAs();
    expect(expectProblem(await cancel(id, { 'if-match': '"1"' }), 412, 'version_conflict')).toMatchObject({
      currentVersion: 2,
    });
    expect((await cancel(id, { 'if-match': '"2"' })).status).toBe(202);
  });

  it("of somebody else's is not found", async () => {
    const id = await placeAs();
    expectProblem(await cancel(id, {}, daybook.tokens.bob), 404, 'not_found');
    expectProblem(await cancel('X20261121-99999'), 404, 'not_found');
    expectProblem(await cancel('20261121-00001'), 404, 'not_found');
    expect((await cancel(id, {}, daybook.tokens.operator)).status).toBe(202);
  });
});
