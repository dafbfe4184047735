import { Injectable, type Type } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { DataSource, type EntityManager } from 'typeorm';

import { createTestDatabase, type TestDatabase } from '../../../../test/support/database.js';
import { waitFor } from '../../../../test/support/wait-for.js';
import { dataSourceOptions } from '../database/data-source-options.js';
import { inTransaction } from '../database/transaction.js';
import { DomainEvent } from './domain-event.js';
import {
  type HandlesInTransaction,
  InTransactionEvents,
  InTransactionHandler,
} from './in-transaction-handlers.js';

class Planted extends DomainEvent {
  readonly type: string = 'tree.planted';
  readonly entityType = 'tree';
}

/** A kind of Planted: whoever subscribes to that gets this one, too. */
class Replanted extends Planted {
  override readonly type = 'tree.replanted';
}

class Felled extends DomainEvent {
  readonly type = 'tree.felled';
  readonly entityType = 'tree';
}

const origin = { actor: 'alice', requestId: 'request-1' };
const event = <E>(Event: new (...args: ConstructorParameters<typeof Planted>) => E, id: string) =>
  new Event(id, 1, '2026-11-20T12:00:00.000Z', origin, { after: {} });

/** What each handler was called with, by its name. */
let calls: [handler: string, ids: string[]][] = [];

abstract class Recorder implements HandlesInTransaction {
  async handle(events: readonly DomainEvent[], manager: EntityManager): Promise<void> {
    calls.push([this.constructor.name, events.map(({ entityId }) => entityId)]);
    for (const { entityId } of events) {
      await manager.query('INSERT INTO seen VALUES ($1, $2)', [this.constructor.name, entityId]);
    }
  }
}

@Injectable()
@InTransactionHandler(Planted)
class Gardener extends Recorder {}

@Injectable()
@InTransactionHandler(Planted, Felled)
class Forester extends Recorder {}

@Injectable()
@InTransactionHandler(DomainEvent)
class Chronicler extends Recorder {}

@Injectable()
@InTransactionHandler(Felled)
class Protester implements HandlesInTransaction {
  handle(): Promise<void> {
    return Promise.reject(new Error('Not this tree!'));
  }
}

@Injectable()
@InTransactionHandler(Planted)
class Denier implements HandlesInTransaction {
  async handle(): Promise<void> {
    calls.push(['Denier', []]);
    await Promise.reject(new Error('What tree?'));
  }
}

/** Writes only when somebody else has been called. */
@Injectable()
@InTransactionHandler(Planted)
class Patient implements HandlesInTransaction {
  async handle(_: readonly DomainEvent[], manager: EntityManager): Promise<void> {
    await waitFor('another handler', async () => calls.length > 0);
    await manager.query(`INSERT INTO seen VALUES ('Patient', 'oak')`);
    calls.push(['Patient', ['oak']]);
  }
}

/** Has a method of that name, and takes no part. */
@Injectable()
class Bystander extends Recorder {}

let database: TestDatabase;
let pool: DataSource;

beforeAll(async () => {
  database = await createTestDatabase();
  await database.query('CREATE TABLE seen (handler text, tree text)');
  pool = await new DataSource(dataSourceOptions(database.url, 2)).initialize();
});
afterAll(async () => {
  await pool.destroy();
  await database.drop();
});
beforeEach(async () => {
  await database.query('TRUNCATE seen');
  calls = [];
});

/** The events of a module with these providers, as Nest makes it. */
async function eventsWith(...providers: Type[]): Promise<InTransactionEvents> {
  const module = await Test.createTestingModule({
    imports: [DiscoveryModule],
    providers: [InTransactionEvents, ...providers, { provide: 'an alias', useValue: {} }],
  }).compile();
  await module.init();
  return module.get(InTransactionEvents);
}

/** A change that makes these events. */
const change = (handlers: InTransactionEvents, events: readonly DomainEvent[]) =>
  inTransaction(pool, async (manager) => {
    await manager.query(`INSERT INTO seen VALUES ('the change itself', '')`);
    await handlers.dispatch(events, manager);
  });

const seen = () => database.query('SELECT handler, tree FROM seen');

describe('the events of a change', () => {
  it('go to the handlers that subscribed to their class; a handler gets its share of the batch in one call, in order', async () => {
    const handlers = await eventsWith(Gardener, Forester);
    await change(handlers, [event(Planted, 'oak'), event(Felled, 'elm'), event(Planted, 'ash')]);
    expect(calls).toEqual([
      ['Gardener', ['oak', 'ash']],
      ['Forester', ['oak', 'elm', 'ash']],
    ]);
  });

  it('go to subscribers of a class that theirs is a kind of', async () => {
    await change(await eventsWith(Gardener), [event(Replanted, 'yew')]);
    expect(calls).toEqual([['Gardener', ['yew']]]);
  });

  it('all go to whoever subscribed to DomainEvent', async () => {
    const handlers = await eventsWith(Chronicler);
    await change(handlers, [event(Planted, 'oak'), event(Felled, 'elm'), event(Replanted, 'yew')]);
    expect(calls).toEqual([['Chronicler', ['oak', 'elm', 'yew']]]);
  });

  it('do not go to handlers of other events, nor to providers that do not subscribe', async () => {
    await change(await eventsWith(Gardener, Bystander), [event(Felled, 'elm')]);
    expect(calls).toEqual([]);
  });

  it('go to all handlers at once: none waits for another', async () => {
    const handlers = await eventsWith(Patient, Chronicler);
    await change(handlers, [event(Planted, 'oak')]);
    expect(calls).toEqual([
      ['Chronicler', ['oak']],
      ['Patient', ['oak']],
    ]);
    expect(await seen()).toContainEqual({ handler: 'Patient', tree: 'oak' });
  });

  it('bother nobody when there are none', async () => {
    await change(await eventsWith(Chronicler), []);
    expect(calls).toEqual([]);
  });
});

describe('what a handler writes', () => {
  it('is committed with the change', async () => {
    await change(await eventsWith(Gardener), [event(Planted, 'oak')]);
    expect(await seen()).toEqual([
      { handler: 'the change itself', tree: '' },
      { handler: 'Gardener', tree: 'oak' },
    ]);
  });

  it('is rolled back with the change, and the change with it, when any handler throws', async () => {
    const handlers = await eventsWith(Chronicler, Protester);
    await expect(change(handlers, [event(Felled, 'elm')])).rejects.toThrow('Not this tree!');
    expect(calls).toEqual([['Chronicler', ['elm']]]);
    expect(await seen()).toEqual([]);
  });

  it('is still in the transaction when another handler has thrown long since, and is rolled back', async () => {
    const handlers = await eventsWith(Patient, Denier);
    await expect(change(handlers, [event(Planted, 'oak')])).rejects.toThrow('What tree?');
    expect(calls).toEqual([
      ['Denier', []],
      ['Patient', ['oak']],
    ]);
    expect(await seen()).toEqual([]);
  });

  it('is rolled back when the change itself fails afterwards', async () => {
    const handlers = await eventsWith(Gardener);
    const failure = inTransaction(pool, async (manager) => {
      await handlers.dispatch([event(Planted, 'oak')], manager);
      throw new Error('changed my mind');
    });
    await expect(failure).rejects.toThrow('changed my mind');
    expect(await seen()).toEqual([]);
  });
});
