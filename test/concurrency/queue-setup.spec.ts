import { withTestApp } from '../support/app.js';
import { createTestDatabase } from '../support/database.js';
import { placeOrder } from '../support/order-desk.js';

it('sets the queues up once when many processes start at once on a new database', async () => {
  const database = await createTestDatabase();
  try {
    await database.query('DROP SCHEMA pgboss CASCADE');
    const starts = Array.from({ length: 6 }, () =>
      withTestApp({ DATABASE_URL: database.url, DAYBOOK_ROLES: 'api' }, async ({ api, tokens }) => {
        const { body } = await api('GET', '/admin/queues', { token: tokens.admin });
        expect(body.data).toMatchObject([{ name: 'orders' }, { name: 'orders-dead' }]);
      }),
    );
    await Promise.all(starts);
    const queues = await database.query('SELECT name FROM pgboss.queue ORDER BY name');
    expect(queues.map(({ name }) => name)).toEqual(expect.arrayContaining(['orders', 'orders-dead']));
  } finally {
    await database.drop();
  }
});

it('gives pending orders without jobs theirs, also when an earlier start was cut short in doing so', async () => {
  await withTestApp({ DAYBOOK_ROLES: 'api' }, async (daybook) => {
    await daybook.createProduct('TEA', 10);
    const ids = [await placeOrder(daybook, 'TEA'), await placeOrder(daybook, 'TEA', { priority: 'high' })];
    const jobs = () =>
      daybook.database.query<{ orderId: string }>(
        `SELECT data->>'orderId' AS "orderId" FROM pgboss.job WHERE name = 'orders' ORDER BY id`,
      );
    await daybook.database.query('UPDATE order_queues SET adopted_at = NULL');
    await daybook.database.query('DELETE FROM pgboss.job');
    await withTestApp({ DATABASE_URL: daybook.database.url, DAYBOOK_ROLES: 'api' }, async () => {
      expect((await jobs()).map(({ orderId }) => orderId)).toEqual(ids);
    });
    await daybook.database.query('DELETE FROM pgboss.job');
    await withTestApp({ DATABASE_URL: daybook.database.url, DAYBOOK_ROLES: 'api' }, async () => {
      // Once is enough: from then on every order has got its job when it was placed.
      expect(await jobs()).toEqual([]);
    });
  });
});
