import { connect, createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';

import { EventBus } from '@nestjs/cqrs';
import { Test, type TestingModule } from '@nestjs/testing';
import { DataSource, type EntityManager } from 'typeorm';

import { createTestDatabase, type TestDatabase } from '../../../../test/support/database.js';
import { waitFor } from '../../../../test/support/wait-for.js';
import { loadConfig } from '../config/config.js';
import { RetryTransaction } from '../database/transaction.js';
import { DomainError, OutcomeUnknown, Overloaded } from '../errors/domain-error.js';
import { DomainEvent } from '../events/domain-event.js';
import { type HandlesInTransaction, InTransactionHandler } from '../events/in-transaction-handlers.js';
import { Answer } from '../http/answer.js';
import {
  type IdempotencyClaim,
  IdempotencyInFlight,
  IdempotencyKeyReused,
} from '../idempotency/idempotency.js';
import { PlatformModule } from '../platform.module.js';
import { type WriteCommand, WritePath, type Written } from './write-path.js';

/*
 * A small trade to try the write path with: a shelf of apples, and customers who take some. It has what every write of
 * Daybook has: a stock that is locked and read, a decision, a row that is written, an event.
 */

class Taken extends DomainEvent {
  readonly type = 'apples.taken';
  readonly entityType = 'shelf';
}

class ShelfEmpty extends DomainError {
  readonly code = 'shelf_empty';
  readonly status = 409;
}

interface Take extends WriteCommand {
  readonly apples: number;
}

/** Writes a second row for every event, in the same transaction; fails when a customer's name is Grumpy. */
@InTransactionHandler(Taken)
class Scribe implements HandlesInTransaction {
  async handle(events: readonly Taken[], manager: EntityManager): Promise<void> {
    if (events.some(({ origin }) => origin.actor === 'Grumpy')) throw new Error('The scribe refuses');
    for (const { entityId } of events) await manager.query('INSERT INTO scribbles VALUES ($1)', [entityId]);
  }
}

/** Takes apples in order of arrival; runs `onArrival` with each batch before it looks at the shelf. */
async function takeApples(
  commands: readonly Take[],
  manager: EntityManager,
  onArrival?: (commands: readonly Take[]) => Promise<void>,
): Promise<Written> {
  await onArrival?.(commands);
  const [{ apples }] = (await manager.query('SELECT apples FROM shelf FOR UPDATE')) as [{ apples: number }];
  let left = apples;
  const events: Taken[] = [];
  const outcomes: (Answer | DomainError)[] = [];
  for (const { apples: wanted, context } of commands) {
    if (wanted > left) {
      outcomes.push(new ShelfEmpty(`There are ${left} apples.`));
      continue;
    }
    left -= wanted;
    const [{ id }] = (await manager.query('INSERT INTO takings (apples) VALUES ($1) RETURNING id', [
      wanted,
    ])) as [{ id: number }];
    outcomes.push(Answer.created({ id, apples: wanted }, `/takings/${id}`, 1));
    events.push(new Taken(String(id), 1, new Date(0).toISOString(), context, { after: { apples: wanted } }));
  }
  await manager.query('UPDATE shelf SET apples = $1', [left]);
  return { outcomes, events };
}

let serial = 0;
const claim = (key: string, changes: Partial<IdempotencyClaim> = {}): IdempotencyClaim => ({
  caller: 'alice',
  key,
  fingerprint: 'the same body',
  ...changes,
});
const take = (apples: number, idempotency?: IdempotencyClaim, actor = 'alice'): Take => ({
  apples,
  context: { actor, roles: ['customer'], requestId: `request-${(serial += 1)}` },
  ...(idempotency && { idempotency }),
});

let database: TestDatabase;
let shop: Shop;

/** One process of the shop: Daybook's platform, as it runs, with a handler. */
interface Shop {
  readonly module: TestingModule;
  readonly writePath: WritePath;
  readonly published: unknown[];
  close(): Promise<void>;
}

async function openShop(databaseUrl = database.url): Promise<Shop> {
  const config = { ...loadConfig({ DATABASE_POOL_SIZE: '8', AUTH_JWT_SECRET: 'x'.repeat(32) }), databaseUrl };
  const module = await Test.createTestingModule({
    imports: [PlatformModule.forRoot(config)],
    providers: [Scribe],
  }).compile();
  await module.init();
  const published: unknown[] = [];
  const subscription = module.get(EventBus).subscribe((event) => published.push(event));
  return {
    module,
    writePath: module.get(WritePath),
    published,
    close: async () => {
      subscription.unsubscribe();
      await module.close();
    },
  };
}

beforeAll(async () => {
  database = await createTestDatabase();
  await database.query('CREATE TABLE shelf (apples integer NOT NULL CHECK (apples >= 0))');
  await database.query(
    'CREATE TABLE takings (id integer GENERATED ALWAYS AS IDENTITY, apples integer NOT NULL)',
  );
  await database.query('CREATE TABLE scribbles (taking text NOT NULL)');
  shop = await openShop();
});
afterAll(async () => {
  await shop.close();
  await database.drop();
});
beforeEach(async () => {
  await database.query('TRUNCATE shelf, takings, scribbles, idempotency_keys');
  await putOnShelf(10);
  shop.published.splice(0);
});

async function putOnShelf(apples: number): Promise<void> {
  await database.query('DELETE FROM shelf');
  await database.query('INSERT INTO shelf VALUES ($1)', [apples]);
}

/** Everything that was written, in short. */
async function books() {
  const [row] = await database.query<{ left: number; takings: number; scribbles: number; keys: number }>(`
    SELECT (SELECT apples FROM shelf) AS left, (SELECT count(*)::int FROM takings) AS takings,
      (SELECT count(*)::int FROM scribbles) AS scribbles, (SELECT count(*)::int FROM idempotency_keys) AS keys`);
  return row;
}

const group = (of: Shop = shop, onArrival?: (commands: readonly Take[]) => Promise<void>) =>
  of.writePath.group<Take>('take-apples', (commands, manager) => takeApples(commands, manager, onArrival));

async function refusalOf(promise: Promise<unknown>): Promise<unknown> {
  const [outcome] = await Promise.allSettled([promise]);
  if (outcome.status === 'fulfilled') throw new Error('Expected a refusal');
  return outcome.reason;
}

/** Resolves when so many transactions wait for the shelf, or for the one that is before them. */
const transactionsWait = (count: number) =>
  waitFor(`${count} transactions to wait for the shelf`, async () => {
    const rows = await database.query(`SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'
      AND query LIKE '%FROM shelf FOR UPDATE' AND datname = current_database()`);
    return rows.length === count;
  });

describe('a change', () => {
  it('is written with what its in-transaction handlers write, and answered', async () => {
    const answer = await group().submit(take(3));
    expect(answer).toMatchObject({ status: 201, etag: '"1"', isReplay: false });
    expect(answer.body).toBe(`{"id":${answer.location?.slice('/takings/'.length)},"apples":3}`);
    expect(await books()).toEqual({ left: 7, takings: 1, scribbles: 1, keys: 0 });
  });

  it('is published after its commit: whoever hears of it can read it', async () => {
    const seen = Promise.withResolvers<unknown>();
    const subscription = shop.module.get(EventBus).subscribe(() => seen.resolve(books()));
    await group().submit(take(3));
    expect(await seen.promise).toMatchObject({ left: 7, takings: 1 });
    subscription.unsubscribe();
    expect(shop.published).toMatchObject([{ type: 'apples.taken', data: { after: { apples: 3 } } }]);
  });

  it('that is refused leaves nothing behind, and is not published', async () => {
    expect(await refusalOf(group().submit(take(11, claim('k'))))).toBeInstanceOf(ShelfEmpty);
    expect(await books()).toEqual({ left: 10, takings: 0, scribbles: 0, keys: 0 });
    expect(shop.published).toEqual([]);
  });

  it('whose in-transaction handler fails is rolled back, alone of its batch', async () => {
    const takings = group();
    const outcomes = await Promise.allSettled([
      takings.submit(take(1, claim('a'))),
      takings.submit(take(2, claim('b'), 'Grumpy')),
      takings.submit(take(3, claim('c'))),
    ]);
    expect(outcomes).toMatchObject([
      { status: 'fulfilled' },
      { reason: { message: 'The scribe refuses' } },
      { status: 'fulfilled' },
    ]);
    expect(await books()).toEqual({ left: 6, takings: 2, scribbles: 2, keys: 2 });
    expect(shop.published).toHaveLength(2);
  });
});

describe("a change of Daybook's own", () => {
  it('that lost against another runs again: one effect, published once', async () => {
    let runs = 0;
    const left = await shop.module.get(WritePath).change(async (manager) => {
      runs += 1;
      const { events } = await takeApples([take(3)], manager);
      if (runs === 1) throw new RetryTransaction('Somebody was faster', undefined);
      return { result: 'done', events };
    });
    expect(left).toBe('done');
    expect(await books()).toMatchObject({ left: 7, takings: 1, scribbles: 1 });
    expect(shop.published).toHaveLength(1);
  });
});

describe('a key', () => {
  it('makes a retry get the same answer, byte for byte, without a second effect or event', async () => {
    const takings = group();
    const first = await takings.submit(take(3, claim('k')));
    const retry = await takings.submit(take(3, claim('k')));
    expect(retry).toEqual(first.asReplay());
    expect(await books()).toEqual({ left: 7, takings: 1, scribbles: 1, keys: 1 });
    expect(shop.published).toHaveLength(1);
  });

  it('works across processes', async () => {
    const other = await openShop();
    const first = await group().submit(take(3, claim('k')));
    expect(await group(other).submit(take(3, claim('k')))).toEqual(first.asReplay());
    await other.close();
    expect(await books()).toMatchObject({ takings: 1 });
  });

  it('cannot be used for another request', async () => {
    await group().submit(take(3, claim('k')));
    const reuse = group().submit(take(5, claim('k', { fingerprint: 'another body' })));
    expect(await refusalOf(reuse)).toBeInstanceOf(IdempotencyKeyReused);
    expect(await books()).toMatchObject({ left: 7, takings: 1 });
  });

  it('of one caller is not the key of another', async () => {
    const takings = group();
    await Promise.all([
      takings.submit(take(3, claim('k'))),
      takings.submit(take(3, claim('k', { caller: 'bob' }))),
    ]);
    expect(await books()).toEqual({ left: 4, takings: 2, scribbles: 2, keys: 2 });
  });

  it('of a refused request is not used up: when the reason is gone, the retry succeeds', async () => {
    await refusalOf(group().submit(take(11, claim('k'))));
    await putOnShelf(11);
    expect(await group().submit(take(11, claim('k')))).toMatchObject({ status: 201, isReplay: false });
  });
});

describe('one key several times in one batch', () => {
  it('has one effect: the first is answered, the others get its answer as a replay', async () => {
    const takings = group();
    const [first, ...others] = await Promise.all([1, 2, 3].map(() => takings.submit(take(3, claim('k')))));
    expect(first?.isReplay).toBe(false);
    for (const other of others) expect(other).toEqual(first?.asReplay());
    expect(await books()).toEqual({ left: 7, takings: 1, scribbles: 1, keys: 1 });
  });

  it('is refused to all but the first when the requests differ', async () => {
    const takings = group();
    const first = takings.submit(take(3, claim('k')));
    const other = takings.submit(take(4, claim('k', { fingerprint: 'another body' })));
    expect(await first).toMatchObject({ status: 201 });
    expect(await refusalOf(other)).toBeInstanceOf(IdempotencyKeyReused);
    expect(await books()).toMatchObject({ left: 7, takings: 1 });
  });

  it('is refused to all alike when the first is refused, and a different request is told to come back', async () => {
    const takings = group();
    const refusals = await Promise.all([
      refusalOf(takings.submit(take(11, claim('k')))),
      refusalOf(takings.submit(take(11, claim('k')))),
      refusalOf(takings.submit(take(1, claim('k', { fingerprint: 'another body' })))),
    ]);
    expect(refusals).toEqual([
      expect.any(ShelfEmpty),
      expect.any(ShelfEmpty),
      expect.any(IdempotencyInFlight),
    ]);
    expect(await books()).toMatchObject({ left: 10, takings: 0 });
  });

  it('does not shift the outcomes of the commands around it', async () => {
    const takings = group();
    await takings.submit(take(1, claim('old')));
    const commands = [
      take(2),
      take(1, claim('old')),
      take(3, claim('k')),
      take(9),
      take(3, claim('k')),
      take(4),
    ];
    const outcomes = await Promise.allSettled(commands.map((command) => takings.submit(command)));
    const apples = outcomes.map((outcome) =>
      outcome.status === 'fulfilled'
        ? (JSON.parse(outcome.value.body) as { apples: number }).apples
        : 'refused',
    );
    expect(apples).toEqual([2, 1, 3, 'refused', 3, 4]);
    expect(await books()).toMatchObject({ left: 0, takings: 4, keys: 2 });
  });
});

describe('two transactions with one key at the same moment', () => {
  /** Two groups, as two processes have them, whose first batches both look for the key before either goes on. */
  function racing(): [ReturnType<typeof group>, ReturnType<typeof group>] {
    let arrivals = 0;
    const bothLooked = Promise.withResolvers<void>();
    const meet = async () => {
      arrivals += 1;
      if (arrivals === 2) bothLooked.resolve();
      await bothLooked.promise;
    };
    return [group(shop, meet), group(shop, meet)];
  }

  it('have one effect; both get its answer, one of them as a replay', async () => {
    const [one, other] = racing();
    const answers = await Promise.all([one.submit(take(3, claim('k'))), other.submit(take(3, claim('k')))]);
    expect(answers.map(({ isReplay }) => isReplay).toSorted()).toEqual([false, true]);
    expect(new Set(answers.map(({ body }) => body)).size).toBe(1);
    expect(await books()).toEqual({ left: 7, takings: 1, scribbles: 1, keys: 1 });
    expect(shop.published).toHaveLength(1);
  });

  it('do not hinder the other commands of their batches', async () => {
    const [one, other] = racing();
    await Promise.all([
      one.submit(take(1, claim('a'))),
      one.submit(take(3, claim('k'))),
      other.submit(take(3, claim('k'))),
      other.submit(take(1, claim('b'))),
    ]);
    expect(await books()).toEqual({ left: 5, takings: 3, scribbles: 3, keys: 3 });
  });

  it('and different requests have one effect, and the later one is refused', async () => {
    const [one, other] = racing();
    const outcomes = await Promise.allSettled([
      one.submit(take(3, claim('k'))),
      other.submit(take(4, claim('k', { fingerprint: 'another body' }))),
    ]);
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const refused = outcomes.find((outcome) => outcome.status === 'rejected');
    expect(refused?.reason).toBeInstanceOf(IdempotencyKeyReused);
    expect(await books()).toMatchObject({ takings: 1, keys: 1 });
  });

  it('cannot make a request be refused for what it took itself: the last apples', async () => {
    await putOnShelf(3);
    const [one, other] = racing();
    const answers = await Promise.all([one.submit(take(3, claim('k'))), other.submit(take(3, claim('k')))]);
    expect(answers.map(({ isReplay }) => isReplay).toSorted()).toEqual([false, true]);
    expect(await books()).toEqual({ left: 0, takings: 1, scribbles: 1, keys: 1 });
  });

  it('cannot make it be refused by a write of single commands either', async () => {
    await putOnShelf(3);
    const takeAlone = async (command: Take, manager: EntityManager) => {
      const { outcomes, events } = await takeApples([command], manager);
      if (outcomes[0] instanceof DomainError) throw outcomes[0];
      return { answer: outcomes[0] as Answer, events };
    };
    const letGo = await holdShelf();
    const twins = [0, 1].map(() =>
      shop.writePath.single<Take>('take-apples', takeAlone).submit(take(3, claim('k'))),
    );
    await transactionsWait(2);
    await letGo();
    const answers = await Promise.all(twins);
    expect(answers.map(({ isReplay }) => isReplay).toSorted()).toEqual([false, true]);
    expect(await books()).toMatchObject({ left: 0, takings: 1 });
  });
});

/** Locks the shelf in a transaction of nobody's; gives the function that lets it go. */
async function holdShelf(): Promise<() => Promise<void>> {
  const runner = shop.module.get(DataSource).createQueryRunner();
  await runner.startTransaction();
  await runner.query('SELECT 1 FROM shelf FOR UPDATE');
  return async () => {
    await runner.commitTransaction();
    await runner.release();
  };
}

describe('a write of single commands', () => {
  it('runs each in a transaction of its own; one that throws its refusal does not touch the others', async () => {
    const batches: number[] = [];
    const takings = shop.writePath.single<Take>('take-apples', async (command, manager) => {
      batches.push(command.apples);
      const { outcomes, events } = await takeApples([command], manager);
      if (outcomes[0] instanceof DomainError) throw outcomes[0];
      return { answer: outcomes[0] as Answer, events };
    });
    const outcomes = await Promise.allSettled([2, 20, 3].map((apples) => takings.submit(take(apples))));
    expect(outcomes).toMatchObject([
      { status: 'fulfilled' },
      { reason: expect.any(ShelfEmpty) },
      { status: 'fulfilled' },
    ]);
    expect(batches.toSorted((a, b) => a - b)).toEqual([2, 3, 20]);
    expect(await books()).toEqual({ left: 5, takings: 2, scribbles: 2, keys: 0 });
  });
});

describe('draining', () => {
  it('waits for every group, and then nothing more is taken', async () => {
    const closing = await openShop();
    const groups = [group(closing), group(closing)];
    const letGo = await holdShelf();
    const accepted = groups.map((each) => each.submit(take(1)));
    await transactionsWait(groups.length);
    let isDrained = false;
    const drained = closing.writePath.drain().then(() => (isDrained = true));
    for (const each of groups) expect(await refusalOf(each.submit(take(1)))).toBeInstanceOf(Overloaded);
    expect(isDrained).toBe(false);
    await letGo();
    await drained;
    await Promise.all(accepted);
    expect(await books()).toMatchObject({ left: 8, takings: 2 });
    await closing.close();
  });
});

/** Stands between a shop and its database, and can cut the line around the next COMMIT. */
class Line {
  cut: 'before' | 'after' | undefined;
  cuts = 0;
  private readonly sockets = new Set<Socket>();
  private readonly server: Server;

  constructor(private readonly target: URL) {
    this.server = createServer((client) => this.carry(client));
  }

  async open(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    const { port } = this.server.address() as AddressInfo;
    return Object.assign(new URL(this.target.href), { hostname: '127.0.0.1', port: String(port) }).href;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private carry(client: Socket): void {
    const server = connect(Number(this.target.port), this.target.hostname);
    const hangUp = () => {
      client.destroy();
      server.destroy();
    };
    let isLastWordSaid = false;
    for (const socket of [client, server]) {
      this.sockets.add(socket);
      socket.on('error', hangUp).on('close', hangUp);
    }
    client.on('data', (bytes) => {
      if (this.cut !== undefined && bytes.includes('COMMIT\0')) {
        isLastWordSaid = this.cut === 'after';
        this.cut = undefined;
        this.cuts += 1;
        if (!isLastWordSaid) return hangUp();
      }
      server.write(bytes);
    });
    // The database has answered the COMMIT: it happened. The shop shall never hear of it.
    server.on('data', (bytes) => (isLastWordSaid ? hangUp() : client.write(bytes)));
  }
}

describe('a connection that breaks around COMMIT', () => {
  let line: Line;
  let remote: Shop;
  beforeAll(async () => {
    line = new Line(new URL(database.url));
    remote = await openShop(await line.open());
  });
  afterAll(async () => {
    await remote.close();
    await line.close();
  });
  beforeEach(() => {
    line.cuts = 0;
    remote.published.splice(0);
  });

  it.each(['before', 'after'] as const)(
    '(%s it reached the database): a request with a key has exactly one effect, and its caller gets the answer',
    async (moment) => {
      line.cut = moment;
      const answer = await group(remote).submit(take(3, claim('k')));
      expect(line.cuts).toBe(1);
      expect(answer).toMatchObject({ status: 201, isReplay: moment === 'after' });
      expect(await books()).toEqual({ left: 7, takings: 1, scribbles: 1, keys: 1 });
      expect(await group(remote).submit(take(3, claim('k')))).toEqual(answer.asReplay());
    },
  );

  it.each([
    ['before', 10],
    ['after', 7],
  ] as const)(
    '(%s it reached the database): a request without a key is told that nobody knows',
    async (moment, left) => {
      line.cut = moment;
      expect(await refusalOf(group(remote).submit(take(3)))).toBeInstanceOf(OutcomeUnknown);
      expect(line.cuts).toBe(1);
      expect(await books()).toMatchObject({ left });
    },
  );

  it('does not mix up the two kinds in one batch', async () => {
    line.cut = 'after';
    const takings = group(remote);
    const outcomes = await Promise.allSettled([
      takings.submit(take(1, claim('a'))),
      takings.submit(take(2)),
      takings.submit(take(3, claim('c'))),
      takings.submit(take(20, claim('d'))),
    ]);
    expect(outcomes).toMatchObject([
      { value: { isReplay: true } },
      { reason: expect.any(OutcomeUnknown) },
      { value: { isReplay: true } },
      { reason: expect.any(ShelfEmpty) },
    ]);
    expect(await books()).toEqual({ left: 4, takings: 3, scribbles: 3, keys: 2 });
  });
});
