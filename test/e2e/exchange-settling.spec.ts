import { startTestApp } from '../support/app.js';
import { createTestDatabase } from '../support/database.js';
import { ScriptedVenue } from '../support/scripted-venue.js';
import { TcpProxy } from '../support/tcp-proxy.js';

const BODY = { instrument: 'US0378331005', side: 'buy', type: 'market', quantity: 100 };

it('a connection to the database that breaks behind COMMIT of what the venue said makes no difference to the answer', async () => {
  const database = await createTestDatabase();
  const line = await TcpProxy.before(database.url);
  const environment = {
    DATABASE_URL: line.through(database.url),
    DAYBOOK_ROLES: 'api',
    LOG_LEVEL: 'silent',
  };
  const venue = new ScriptedVenue();
  const daybook = await startTestApp(environment, venue);
  let cuts = 0;
  venue.onPlace = () => {
    let isCommitted = false;
    line.onRequest = (chunk) => {
      isCommitted ||= chunk.includes('COMMIT\0');
      return true;
    };
    line.onAnswer = () => {
      if (!isCommitted) return true;
      line.onRequest = line.onAnswer = () => true;
      cuts += 1;
      line.breakConnections();
      return false;
    };
    return { kind: 'accepted' };
  };
  const place = () =>
    daybook.api('POST', '/exchange/orders', { body: BODY, headers: { 'idempotency-key': 'once' } });
  const answer = await place();
  expect(cuts).toBe(1);
  expect(answer.status).toBe(201);
  expect(await place()).toMatchObject({ status: 201, text: answer.text });
  await daybook.stop();
  await line.close();
  await database.drop();
});
