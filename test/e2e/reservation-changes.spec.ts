import { startTestApp, type TestApp } from '../support/app.js';
import { expectProblem } from '../support/problem.js';
import { bytesOf, isReplay, ReservationDesk } from '../support/reservation-desk.js';

const TTL_SECONDS = 600;

let daybook: TestApp;
let desk: ReservationDesk;

beforeAll(async () => {
  daybook = await startTestApp();
  desk = new ReservationDesk(daybook);
  await daybook.createProduct('TEA', 10_000);
});
afterAll(() => daybook.stop());

const holdTea = (more: object = {}) => desk.hold([['TEA', 1]], { ttlSeconds: TTL_SECONDS, ...more });

describe('extending a reservation', () => {
  it('holds its stock for so long from now, also in the holds behind it', async () => {
    const id = await holdTea();
    const before = (await desk.read(id)).body;
    const { status, body, headers } = await desk.extend(id, 1200);
    expect(status).toBe(200);
    expect(headers.get('etag')).toBe('"2"');
    const expiresAt = new Date(Date.parse(body.updatedAt) + 1_200_000).toISOString();
    expect(body).toEqual({ ...before, expiresAt, updatedAt: body.updatedAt, version: 2 });
    expect(body.updatedAt >= before.updatedAt).toBe(true);
    expect((await desk.read(id)).body).toEqual(body);
    const holds = await daybook.database.query(
      'SELECT expires_at FROM stock_holds WHERE reservation_id = $1',
      [id],
    );
    expect(holds).toEqual([{ expires_at: new Date(expiresAt) }]);
  });

  it('never shortens what was promised before', async () => {
    const id = await holdTea();
    const { expiresAt } = (await desk.read(id)).body;
    const { status, body } = await desk.extend(id, 1);
    expect(status).toBe(200);
    expect(body).toMatchObject({ status: 'active', expiresAt, version: 2 });
  });

  it('by many at once counts every time, and ends with the longest of the wishes', async () => {
    const id = await holdTea();
    const wishes = [700, 5000, 900, 3000, 1, 4000];
    const answers = await Promise.all(wishes.map((ttlSeconds) => desk.extend(id, ttlSeconds)));
    expect(answers.map(({ body }) => body.version).sort()).toEqual([2, 3, 4, 5, 6, 7]);
    const { body } = await desk.read(id);
    expect(body.version).toBe(7);
    expect(Math.max(...answers.map((answer) => Date.parse(answer.body.expiresAt)))).toBe(
      Date.parse(body.expiresAt),
    );
    expect(await desk.journalOf(id)).toHaveLength(7);
  });

  it('is refused once it is released', async () => {
    const id = await holdTea();
    await desk.release(id);
    const answer = await desk.leavingNoTrace(() => desk.extend(id, 1200));
    const refused = expectProblem(answer, 409, 'reservation_not_active');
    expect(refused).toMatchObject({ reservationId: id, reservationStatus: 'released', orderId: null });
  });
});

describe('releasing a reservation', () => {
  it('gives its stock back, in every warehouse', async () => {
    await daybook.createProduct('WIDE', 2);
    await desk.post('/warehouses', { code: 'wide', name: 'Wide' }, { caller: 'operator' });
    const received = { sku: 'WIDE', warehouse: 'wide', quantityDelta: 3, reason: 'received' };
    await desk.post('/stock-adjustments', received, { caller: 'operator' });
    const id = await desk.hold([['WIDE', 5]]);
    expect(await desk.stockOf('WIDE')).toMatchObject({ reserved: 5, available: 0 });
    const before = (await desk.read(id)).body;
    const { status, body, headers } = await desk.release(id);
    expect(status).toBe(200);
    expect(headers.get('etag')).toBe('"2"');
    expect(body).toEqual({ ...before, status: 'released', updatedAt: body.updatedAt, version: 2 });
    expect((await desk.read(id)).body).toEqual(body);
    expect(await desk.heldOf('WIDE')).toEqual({ reserved: 0, holds: 0 });
    expect((await desk.reserve([['WIDE', 5]])).status).toBe(201);
  });

  it('twice is refused, and gives nothing back twice', async () => {
    await daybook.createProduct('ONCE', 5);
    const [id] = [await desk.hold([['ONCE', 2]]), await desk.hold([['ONCE', 3]])];
    await desk.release(id);
    const again = await desk.leavingNoTrace(() => desk.release(id));
    expect(expectProblem(again, 409, 'reservation_not_active')['reservationStatus']).toBe('released');
    expect(await desk.heldOf('ONCE')).toEqual({ reserved: 3, holds: 3 });
  });

  it('by ten at once is done by one of them', async () => {
    await daybook.createProduct('TEN', 10);
    const [id] = [await desk.hold([['TEN', 4]]), await desk.hold([['TEN', 1]])];
    const answers = await Promise.all(Array.from({ length: 10 }, () => desk.release(id)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ body }) => body.code === 'reservation_not_active')).toHaveLength(9);
    expect(await desk.heldOf('TEN')).toEqual({ reserved: 1, holds: 1 });
  });
});

describe('a reservation of another customer', () => {
  it('cannot be told from one that does not exist, and an operator may do all', async () => {
    const id = await holdTea();
    const unknown = '01a1fa71-0000-7000-8000-000000000000';
    const ways = [
      (which: string) => desk.read(which, { caller: 'bob' }),
      (which: string) => desk.extend(which, 60, { caller: 'bob' }),
      (which: string) => desk.release(which, { caller: 'bob' }),
    ];
    await desk.leavingNoTrace(async () => {
      for (const ask of ways) {
        const another = expectProblem(await ask(id), 404, 'not_found');
        const none = expectProblem(await ask(unknown), 404, 'not_found');
        expect(another.detail.replace(id, unknown)).toBe(none.detail);
      }
    });
    expect((await desk.read(id, { caller: 'operator' })).body.customerId).toBe('alice');
    expect((await desk.extend(id, 60, { caller: 'operator' })).status).toBe(200);
    expect((await desk.release(id, { caller: 'operator' })).body.customerId).toBe('alice');
  });
});

describe.each([
  ['extend', (id: string, asked: object) => desk.extend(id, 1200, asked)],
  ['release', (id: string, asked: object) => desk.release(id, asked)],
])('%s with a key', (path, change) => {
  it('is done once and answered byte for byte, also after the reservation has moved on', async () => {
    const id = await holdTea();
    const first = await change(id, { key: `${path}-once` });
    expect(first.status).toBe(200);
    const replays = [await change(id, { key: `${path}-once` })];
    if (path === 'extend') await desk.release(id);
    replays.push(await change(id, { key: `${path}-once` }));
    for (const replay of replays) {
      expect(isReplay(replay)).toBe(true);
      expect(bytesOf(replay)).toEqual(bytesOf(first));
    }
    expect(await desk.journalOf(id)).toHaveLength(path === 'extend' ? 3 : 2);
  });

  it('is done once when five come at once', async () => {
    const id = await holdTea();
    const answers = await Promise.all(Array.from({ length: 5 }, () => change(id, { key: `${path}-crowd` })));
    expect(new Set(answers.map((answer) => JSON.stringify(bytesOf(answer)))).size).toBe(1);
    expect(answers.filter((answer) => !isReplay(answer))).toHaveLength(1);
    expect((await desk.read(id)).body.version).toBe(2);
  });

  it('that was used for another reservation is refused', async () => {
    const [one, two] = [await holdTea(), await holdTea()];
    await change(one, { key: `${path}-other` });
    await desk.leavingNoTrace(async () => {
      expectProblem(await change(two, { key: `${path}-other` }), 422, 'idempotency_key_reused');
    });
  });

  it('that was refused may be sent again', async () => {
    const id = await holdTea();
    expectProblem(await change(id, { key: `${path}-again`, ifMatch: '"7"' }), 412, 'version_conflict');
    const second = await change(id, { key: `${path}-again` });
    expect({ status: second.status, replay: isReplay(second) }).toEqual({ status: 200, replay: false });
  });
});

describe('If-Match', () => {
  it('lets a change happen at that version, and at any with *', async () => {
    const id = await holdTea();
    expect((await desk.extend(id, 900, { ifMatch: '"1"' })).body.version).toBe(2);
    expect((await desk.extend(id, 901, { ifMatch: '*' })).body.version).toBe(3);
    expect((await desk.release(id, { ifMatch: 'W/"3"' })).body.version).toBe(4);
  });

  it('keeps a change from happening at another version, and says which it is at', async () => {
    const id = await holdTea();
    await desk.extend(id, 900);
    await desk.leavingNoTrace(async () => {
      for (const ifMatch of ['"1"', '"3"']) {
        const answers = [await desk.extend(id, 900, { ifMatch }), await desk.release(id, { ifMatch })];
        for (const answer of answers) {
          expect(expectProblem(answer, 412, 'version_conflict')['currentVersion']).toBe(2);
        }
      }
    });
  });

  it('lets one of many win who have all seen the same version', async () => {
    const id = await holdTea();
    const answers = await Promise.all(
      Array.from({ length: 6 }, () => desk.extend(id, 900, { ifMatch: '"1"' })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 412, 412, 412, 412, 412]);
    expect((await desk.read(id)).body.version).toBe(2);
  });
});

describe('the journal', () => {
  it('has the whole life of a reservation: every version, who made it and by which request', async () => {
    const made = await desk.reserve([['TEA', 2]], {}, { requestId: 'life-1' });
    const { id } = made.body;
    const longer = await desk.extend(id, 3600, { caller: 'operator', requestId: 'life-2' });
    const placed = await desk.consume(id, {}, { requestId: 'life-3' });
    const { expiresAt } = made.body;
    expect(await desk.journalOf(id)).toEqual([
      {
        type: 'reservation.created',
        version: 1,
        actor: 'alice',
        request_id: 'life-1',
        data: {
          after: { status: 'active', customerId: 'alice', expiresAt, lines: [{ sku: 'TEA', quantity: 2 }] },
        },
      },
      {
        type: 'reservation.extended',
        version: 2,
        actor: 'operator-1',
        request_id: 'life-2',
        data: { before: { expiresAt }, after: { expiresAt: longer.body.expiresAt } },
      },
      {
        type: 'reservation.consumed',
        version: 3,
        actor: 'alice',
        request_id: 'life-3',
        data: { before: { status: 'active' }, after: { status: 'consumed', orderId: placed.body.id } },
      },
    ]);
  });

  it('says of a release who did it', async () => {
    const id = await holdTea();
    await desk.release(id, { caller: 'operator', requestId: 'given-back' });
    expect((await desk.journalOf(id))[1]).toEqual({
      type: 'reservation.released',
      version: 2,
      actor: 'operator-1',
      request_id: 'given-back',
      data: { before: { status: 'active' }, after: { status: 'released' } },
    });
  });
});
