import { CommandBus } from '@nestjs/cqrs';

import { systemContext } from '@daybook/platform';

import { startTestApp, type TestApp } from '../../../../test/support/app.js';
import { __UseCase__ } from './__use-case__.command.js';

let daybook: TestApp;

beforeAll(async () => {
  daybook = await startTestApp();
});
afterAll(() => daybook.stop());

describe('__use-case-in-words__', () => {
  const context = systemContext('__use-case__.spec');
  const journal = (id: string) =>
    daybook.database.query('SELECT type, actor, data FROM journal WHERE entity_id = $1', [id]);

  it('is journaled with its reason', async () => {
    await daybook.app.get(CommandBus).execute(new __UseCase__('first', { reason: 'because' }, context));
    expect(await journal('first')).toEqual([
      { type: '__event-type__', actor: 'daybook', data: { after: {}, reason: 'because' } },
    ]);
  });

  it('happens once, however often it is asked for with one key', async () => {
    const claim = { caller: context.actor, key: 'once', fingerprint: 'the same request' };
    const ask = () =>
      daybook.app.get(CommandBus).execute(new __UseCase__('second', { reason: 'because' }, context, claim));
    const [first, ...others] = [await ask(), ...(await Promise.all([ask(), ask(), ask()]))];
    expect(others.map(({ body }) => body)).toEqual([first.body, first.body, first.body]);
    expect(await journal('second')).toHaveLength(1);
  });
});
