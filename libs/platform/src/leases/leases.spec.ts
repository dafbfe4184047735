import { DataSource } from 'typeorm';

import { createTestDatabase, type TestDatabase } from '../../../../test/support/database.js';
import { dataSourceOptions } from '../database/data-source-options.js';
import { inTransaction } from '../database/transaction.js';
import { type HeldLease, LeaseOvertaken, Leases } from './leases.js';
import { SharedLeases } from './shared-leases.js';

let database: TestDatabase;
let pool: DataSource;
let leases: Leases;
beforeAll(async () => {
  database = await createTestDatabase();
  pool = await new DataSource(dataSourceOptions(database.url, 8)).initialize();
  leases = new Leases(pool);
  await database.query('CREATE TABLE notes (text text)');
});
afterAll(async () => {
  await pool.destroy();
  await database.drop();
});
beforeEach(async () => {
  await database.query('TRUNCATE leases, notes');
  await database.shiftTime('0');
});

const write = (lease: HeldLease) =>
  inTransaction(pool, async (manager) => {
    await manager.query(`INSERT INTO notes VALUES ('written')`);
    await leases.hold(lease, manager);
  });
const noteCount = async () => (await database.query('SELECT FROM notes')).length;
const claimed = async (holder: string) => (await leases.claim('desk', holder, 5)) as HeldLease;

describe('a lease', () => {
  it('goes to one of many who want it at once', async () => {
    const claims = await Promise.all(Array.from({ length: 20 }, (_, n) => leases.claim('desk', `p${n}`, 5)));
    expect(claims.filter((claim) => claim !== undefined)).toHaveLength(1);
    await database.shiftTime('6 seconds');
    const again = await Promise.all(Array.from({ length: 20 }, (_, n) => leases.claim('desk', `p${n}`, 5)));
    expect(again.filter((claim) => claim !== undefined)).toHaveLength(1);
  });

  it('is kept by whoever renews it, and lost by whoever does not', async () => {
    const lease = await claimed('one');
    await database.shiftTime('4 seconds');
    expect(await leases.renew([lease])).toEqual(new Set(['desk']));
    await database.shiftTime('8 seconds');
    expect(await leases.claim('desk', 'two', 5)).toBeUndefined();
    await write(lease);
    await database.shiftTime('12 seconds');
    expect(await leases.claim('desk', 'two', 5)).toBeUndefined();
    await database.shiftTime('14 seconds');
    expect(await leases.claim('desk', 'two', 5)).toMatchObject({ fence: '2' });
  });

  it('lets nobody write who has been overtaken without noticing', async () => {
    const zombie = await claimed('one');
    await database.shiftTime('6 seconds');
    // Nobody has taken it yet: it is still held.
    await write(zombie);
    await database.shiftTime('12 seconds');
    const successor = await claimed('two');
    await expect(write(zombie)).rejects.toThrow(LeaseOvertaken);
    expect(await noteCount()).toBe(1);
    await write(successor);
    expect(await noteCount()).toBe(2);
    expect(await leases.renew([zombie])).toEqual(new Set());
    await leases.release(zombie);
    expect(await leases.renew([successor])).toEqual(new Set(['desk']));
  });

  it('is free at once when it is released, and what its holder still writes is refused', async () => {
    const lease = await claimed('one');
    await leases.release(lease);
    await expect(write(lease)).rejects.toThrow(LeaseOvertaken);
    expect(await leases.claim('desk', 'two', 5)).toMatchObject({ fence: '2' });
  });

  it('is not waited for while its holder renews it', async () => {
    const lease = await claimed('one');
    await database.shiftTime('6 seconds');
    await inTransaction(pool, async (manager) => {
      await leases.hold(lease, manager);
      expect(await leases.claim('desk', 'two', 5)).toBeUndefined();
    });
    expect(await leases.claim('desk', 'two', 5)).toBeUndefined();
  });
});

describe('things that are shared', () => {
  const THINGS = 8;
  const member = (holder: string) => new SharedLeases(leases, pool, 'parts', THINGS, holder);

  /** What somebody does about a beat: gives up at once what is too much. */
  async function beat(...members: readonly SharedLeases[]): Promise<number[]> {
    for (const each of members) for (const thing of await each.beat()) await each.release(thing);
    return members.map(({ all }) => all.size);
  }
  /** Every thing is held, by one of them. */
  function expectShared(...members: readonly SharedLeases[]): void {
    const held = members.flatMap(({ all }) => [...all.keys()]).sort((a, b) => a - b);
    expect(held).toEqual(Array.from({ length: THINGS }, (_, thing) => thing));
  }

  it('are divided anew when somebody comes', async () => {
    const [one, two, three] = [member('a'), member('b'), member('c')];
    expect(await beat(one)).toEqual([8]);
    await beat(one, two);
    expect(await beat(one, two)).toEqual([4, 4]);
    await beat(one, two, three);
    await beat(one, two, three);
    expect(await beat(one, two, three)).toEqual([3, 3, 2]);
    expectShared(one, two, three);
  });

  it('go to the others at once when somebody leaves, and within seconds when somebody dies', async () => {
    const [one, two, three] = [member('a'), member('b'), member('c')];
    for (let time = 0; time < 3; time += 1) await beat(one, two, three);
    await three.leave();
    await beat(one, two);
    expect(await beat(one, two)).toEqual([4, 4]);
    expectShared(one, two);
    await database.shiftTime('4 seconds');
    await beat(one);
    await database.shiftTime('6 seconds');
    expect(await beat(one)).toEqual([8]);
    // It was only paused.
    expect((await two.beat()).length).toBe(0);
    expect(two.all.size).toBe(0);
    await beat(one, two);
    expect(await beat(one, two)).toEqual([4, 4]);
    expectShared(one, two);
  });

  it('leave some with nothing when there are more who want them', async () => {
    const members = Array.from({ length: 10 }, (_, n) => member(`m${n}`));
    for (let time = 0; time < 3; time += 1) await beat(...members);
    expectShared(...members);
    expect(members.map(({ all }) => all.size)).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 0, 0]);
  });

  it('forget those who died long ago', async () => {
    await beat(member('a'));
    await database.shiftTime('2 minutes');
    const two = member('b');
    expect(await beat(two)).toEqual([8]);
    expect(await database.query(`SELECT name FROM leases WHERE name LIKE '%member%'`)).toEqual([
      { name: 'parts/member/b' },
    ]);
  });
});
