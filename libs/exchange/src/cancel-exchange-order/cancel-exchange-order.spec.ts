import { startTestApp } from '../../../../test/support/app.js';
import { Latch, ScriptedVenue } from '../../../../test/support/scripted-venue.js';
import { waitFor } from '../../../../test/support/wait-for.js';
import { CancelExchangeOrderHandler } from './cancel-exchange-order.command.js';

const { jest } = import.meta;

const BODY = { instrument: 'US0378331005', side: 'buy', type: 'market', quantity: 100 };

it('a process that stops waits for the cancellation that is under way, and leaves the others to the next', async () => {
  const venue = new ScriptedVenue();
  const latch = new Latch();
  venue.onCancel = async () => {
    await latch.wait();
    return { kind: 'requested' };
  };
  // One at a time.
  const environment = { DAYBOOK_ROLES: 'api', LOG_LEVEL: 'error', EXCHANGE_CONNECTIONS: '1' };
  const daybook = await startTestApp(environment, venue);
  for (let order = 0; order < 3; order += 1) {
    const { body } = await daybook.api('POST', '/exchange/orders', { body: BODY });
    expect((await daybook.api('DELETE', `/exchange/orders/${body.id}`)).status).toBe(202);
  }
  await latch.whenReached;
  const handler = daybook.app.get(CancelExchangeOrderHandler, { strict: false });
  const closing = jest.spyOn(handler, 'beforeApplicationShutdown');
  const stopped = daybook.stop();
  await waitFor('it to be closed', () => closing.mock.calls.length > 0);
  latch.open();
  await stopped;
  expect(venue.count('cancel')).toBe(1);
});
