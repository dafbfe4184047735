import { startTestApp, type TestApp } from '../../../../test/support/app.js';

let daybook: TestApp;

beforeAll(async () => {
  daybook = await startTestApp();
});
afterAll(() => daybook.stop());

describe('creating __a-singular__', () => {
  const create = (name: string, headers = {}) => daybook.api('POST', '/__library__', { body: { name }, headers });

  it('answers with what is stored, and journals it', async () => {
    const { status, body } = await create('The first one');
    expect(status).toBe(201);
    expect(body).toMatchObject({ name: 'The first one', version: 1 });
    const journal = 'SELECT type, actor, data FROM journal WHERE entity_type = $1 AND entity_id = $2';
    expect(await daybook.database.query(journal, ['__entity-type__', String(body.id)])).toEqual([
      { type: '__entity-type__.created', actor: 'operator-1', data: { after: { name: 'The first one' } } },
    ]);
  });

  it('happens once, however often it is asked for with one key', async () => {
    const headers = { 'idempotency-key': 'once' };
    const answers = await Promise.all([1, 2, 3].map(() => create('Only one', headers)));
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    const stored = await daybook.database.query('SELECT id FROM __table__ WHERE name = $1', ['Only one']);
    expect(stored).toHaveLength(1);
  });

  it('refuses a blank name', async () => {
    expect(await create(' ')).toMatchObject({ status: 400, body: { code: 'validation_failed' } });
  });
});
