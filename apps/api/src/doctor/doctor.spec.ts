import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

import { projectRoot } from '@daybook/platform';

import { ask, useBooks } from '../../../../test/support/doctor-books.js';
import { CHECKS } from './checks.js';
import { brokenOnes, examine, EXAMPLES_AT_MOST } from './examine.js';

const { daybook, database, damaged } = useBooks();

describe('the doctor', () => {
  it('finds nothing wrong with books that are in order', async () => {
    const findings = await examine(database());
    expect(findings.map(({ check }) => check)).toEqual(CHECKS.map(({ name }) => name));
    expect(brokenOnes(findings)).toEqual([]);
  });

  it('counts all discrepancies and shows the first of them', async () => {
    const found = await damaged(
      `INSERT INTO client_order_ids SELECT 'bob', 'cart-' || n, n FROM generate_series(1, 50) n`,
    );
    expect(found).toMatchObject([{ check: 'orders/client-order-ids', discrepancies: 50 }]);
    expect(found[0]?.examples).toHaveLength(EXAMPLES_AT_MOST);
  });

  it('judges the day by the time zone of the business', async () => {
    const findings = brokenOnes(await examine(database(), { businessTimezone: 'Pacific/Kiritimati' }));
    expect(findings).toMatchObject([{ check: 'numbers/business-day', discrepancies: 8 }]);
  });

  it('finds nothing wrong while stock is reserved and orders are placed and moved under its eyes', async () => {
    await daybook().createProduct('BUSY', 1_000);
    const lines = [{ sku: 'BUSY', quantity: 1 }];
    let isBusy = true;
    const work = async () => {
      while (isBusy) {
        const { id: reservationId } = await ask(daybook(), 'POST', '/reservations', { lines });
        const { id } = await ask(daybook(), 'POST', '/orders', { reservationId });
        await ask(daybook(), 'PATCH', `/orders/${id}`, { status: 'cancelled' });
        const { id: unwanted } = await ask(daybook(), 'POST', '/reservations', { lines });
        await ask(daybook(), 'POST', `/reservations/${unwanted}/extend`, { ttlSeconds: 900 });
        await ask(daybook(), 'POST', `/reservations/${unwanted}/release`, {});
      }
    };
    const workers = Array.from({ length: 8 }, work);
    for (let round = 0; round < 10; round += 1) expect(brokenOnes(await examine(database()))).toEqual([]);
    isBusy = false;
    await Promise.all(workers);
  });
});

describe('the doctor command', () => {
  /** Runs the built program to its end. */
  async function doctor(url: string, ...words: string[]) {
    const bundle = join(projectRoot(), 'dist/apps/api/main.js');
    const child = spawn(process.execPath, [bundle, 'doctor', ...words], {
      env: { PATH: process.env['PATH'], DATABASE_URL: url },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 20_000,
      killSignal: 'SIGKILL',
    });
    const exited = once(child, 'exit') as Promise<[number | null]>;
    const [out, err, [exitCode]] = await Promise.all([text(child.stdout), text(child.stderr), exited]);
    return { exitCode, out, err };
  }

  it('ends with 0 when all is well, for people and for machines', async () => {
    const { url } = daybook().database;
    const [people, machines] = await Promise.all([doctor(url), doctor(url, '--json')]);
    expect(people).toMatchObject({ exitCode: 0, err: '' });
    expect(people.out).toMatch(/^stock\/allocated +OK +Allocated is the sum of what open orders claim\.$/m);
    expect(people.out).toMatch(new RegExp(`\nAll ${CHECKS.length} checks hold\\.\n$`));
    expect(machines).toMatchObject({ exitCode: 0, err: '' });
    expect(JSON.parse(machines.out)).toEqual({ healthy: true, findings: await examine(database()) });
  });

  it('ends with 1 and says what is wrong when something is', async () => {
    const { url } = daybook().database;
    await database().query(
      `INSERT INTO client_order_ids SELECT 'bob', 'cart-' || n, n FROM generate_series(1, 50) n`,
    );
    const [people, machines] = await Promise.all([doctor(url), doctor(url, '--json')]);
    await database().query(`DELETE FROM client_order_ids WHERE customer_id = 'bob'`);
    expect(people).toMatchObject({ exitCode: 1, err: '' });
    expect(people.out).toMatch(/^orders\/client-order-ids +50 discrepancies +A customer's own name/m);
    expect(people.out).toContain('    cart-1 of bob leads to order 0-00001, which is not called so\n');
    expect(people.out).toContain('    … and 30 more\n');
    expect(people.out).toMatch(
      new RegExp(`\n1 of ${CHECKS.length} checks do not hold: 50 discrepancies\\.\n$`),
    );
    expect(machines).toMatchObject({ exitCode: 1, err: '' });
    expect(JSON.parse(machines.out)).toMatchObject({ healthy: false });
  });

  it('says what to do about what is wrong', async () => {
    const { url } = daybook().database;
    await database().query(`UPDATE stock_levels SET reserved = reserved + 1 WHERE on_hand = 9;
                            INSERT INTO client_order_ids VALUES ('bob', 'cart-1', 1)`);
    const examined = await doctor(url);
    expect(examined.exitCode).toBe(1);
    expect(examined.out).toContain(
      '    CUP in main: 1 reserved, reservations hold 0\n    What to do: npm run doctor -- --fix\n',
    );
    expect(examined.out).toContain('    What to do: Write or delete the row in client_order_ids');
    const half = await doctor(url, '--fix', '--json');
    expect(half.exitCode).toBe(1);
    const corrected = ['CUP in main: reserved 1 -> 0'];
    expect(JSON.parse(half.out)).toMatchObject({ healthy: false, corrected, left: [] });
    await database().query(`DELETE FROM client_order_ids WHERE customer_id = 'bob'`);
  });

  it('corrects with --fix, and finds nothing the second time', async () => {
    const { url } = daybook().database;
    await database().query('UPDATE stock_levels SET reserved = reserved + 1 WHERE on_hand = 9');
    const first = await doctor(url, '--fix');
    expect(first).toMatchObject({ exitCode: 0, err: '' });
    expect(first.out).toMatch(/^Corrected {2}CUP in main: reserved 1 -> 0\n\nnumbers\/business-day +OK /);
    const second = await doctor(url, '--fix');
    expect(second).toMatchObject({ exitCode: 0, err: '' });
    expect(second.out).toMatch(/^There was nothing to correct\.\n\nnumbers\/business-day +OK /);
  });

  it('says so when the queues were never set up, or are gone', async () => {
    await expect(damaged('DROP SCHEMA pgboss CASCADE')).rejects.toThrow(
      /^The database lacks pgboss\.job: it is empty or of another version\. .+ when it starts\.$/,
    );
  });

  it('says so when there is nothing to examine', async () => {
    const url = new URL(daybook().database.url);
    url.pathname = '/daybook';
    const empty = await doctor(url.href);
    expect(empty).toMatchObject({ exitCode: 1, out: '' });
    expect(empty.err).toMatch(/^The database lacks products, .+ when it starts\.\n$/);
    url.port = '1';
    expect(await doctor(url.href)).toEqual({
      exitCode: 1,
      out: '',
      err: 'The database cannot be reached: connect ECONNREFUSED 127.0.0.1:1\n',
    });
  });
});
