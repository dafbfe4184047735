import { setImmediate as turn } from 'node:timers/promises';

import fc from 'fast-check';

import { waitFor } from '../../../../test/support/wait-for.js';
import { CommitOutcomeUnknown, RetryTransaction } from '../database/transaction.js';
import { DatabaseUnavailable, DomainError, OutcomeUnknown, Overloaded } from '../errors/domain-error.js';
import {
  GroupCommit,
  type GroupCommitLimits,
  type GroupCommitObserver,
  type Outcome,
} from './group-commit.js';

const { jest } = import.meta;

class Refused extends DomainError {
  readonly code = 'refused';
  readonly status = 409;
}

const databaseError = (code: string) => Object.assign(new Error(`SQLSTATE ${code}`), { code });
const deadlock = databaseError('40P01');
const connectionLost = databaseError('57P01');
const commitInDoubt = new CommitOutcomeUnknown(connectionLost);
const lostRace = new RetryTransaction('Another transaction was first', undefined);

/** A batch that was handed to the commit function and has not ended yet. */
interface OpenBatch {
  readonly commands: readonly string[];
  succeed(outcomes?: readonly Outcome<string>[]): void;
  fail(error: unknown): void;
}

const resultOf = (command: string) => `done ${command}`;

/** A group commit whose batches end when the test says so. Commands that start with `key` are repeatable. */
function controlled(limits: Partial<GroupCommitLimits> = {}, observers: readonly GroupCommitObserver[] = []) {
  const batches: OpenBatch[] = [];
  const commits = new GroupCommit<string, string>({
    name: 'test',
    commit: (commands) => {
      const ending = Promise.withResolvers<readonly Outcome<string>[]>();
      batches.push({
        commands,
        succeed: (outcomes = commands.map(resultOf)) => ending.resolve(outcomes),
        fail: ending.reject,
      });
      return ending.promise;
    },
    isRepeatable: (command) => command.startsWith('key'),
    limits,
    observers,
  });
  /** Resolves with the n-th batch that was handed over, from 1. */
  const batch = (n: number) => waitFor(`batch ${n}`, () => batches[n - 1]);
  return { commits, batches, batch, seen: () => batches.map(({ commands }) => commands) };
}

/** A group commit over a commit function of the test's own; counts its calls. */
function scripted(
  commit: (commands: readonly string[], call: number) => readonly Outcome<string>[],
  limits: Partial<GroupCommitLimits> = {},
) {
  const calls: (readonly string[])[] = [];
  const commits = new GroupCommit<string, string>({
    name: 'test',
    commit: async (commands) => {
      calls.push(commands);
      return commit(commands, calls.length);
    },
    isRepeatable: (command) => command.startsWith('key'),
    limits,
  });
  return { commits, calls };
}

/** Lets everything happen that needs no timer. */
async function settle(): Promise<void> {
  for (let turns = 0; turns < 5; turns += 1) await turn();
}

afterEach(() => jest.restoreAllMocks());

describe('gathering', () => {
  it('commits a lone command in the next turn of the event loop, without a timer', async () => {
    const { commits, seen } = controlled();
    void commits.submit('a');
    await turn();
    expect(seen()).toEqual([['a']]);
  });

  it('puts the commands of one turn into one batch, in their order', async () => {
    const { commits, seen } = controlled();
    for (const command of ['a', 'b', 'c']) void commits.submit(command);
    await turn();
    expect(seen()).toEqual([['a', 'b', 'c']]);
  });

  it('gathers the next batch while the batches in flight are being committed', async () => {
    const { commits, batch, seen } = controlled({ batchesInFlight: 2 });
    for (const command of ['a', 'b', 'c', 'd']) {
      void commits.submit(command);
      await turn();
    }
    expect(seen()).toEqual([['a'], ['b']]);
    expect(commits.queueLength).toBe(2);
    (await batch(2)).succeed();
    await settle();
    expect(seen()).toEqual([['a'], ['b'], ['c', 'd']]);
  });

  it('answers each caller with the outcome at its own position', async () => {
    const { commits, batch } = controlled();
    const answers = Promise.allSettled(['a', 'b', 'c'].map((command) => commits.submit(command)));
    const refusal = new Refused('b is refused');
    (await batch(1)).succeed(['A', refusal, 'C']);
    expect(await answers).toEqual([
      { status: 'fulfilled', value: 'A' },
      { status: 'rejected', reason: refusal },
      { status: 'fulfilled', value: 'C' },
    ]);
  });

  it('rejects the commands for which a faulty commit function gave no outcome', async () => {
    const { commits, batch } = controlled();
    const answers = Promise.allSettled([commits.submit('a'), commits.submit('b')]);
    (await batch(1)).succeed(['A']);
    expect(await answers).toMatchObject([
      { status: 'fulfilled' },
      { status: 'rejected', reason: { message: expect.stringContaining('fewer outcomes') } },
    ]);
  });
});

describe('bounds', () => {
  it('never puts more commands into a batch than the batch size', async () => {
    const { commits, seen } = controlled({ batchSize: 2, batchesInFlight: 9 });
    for (const command of ['a', 'b', 'c', 'd', 'e']) void commits.submit(command);
    await settle();
    expect(seen()).toEqual([['a', 'b'], ['c', 'd'], ['e']]);
  });

  it('refuses a command that finds the queue full, does nothing for it, and serves the others', async () => {
    const { commits, batch, seen } = controlled({ batchSize: 1, batchesInFlight: 1, queueLength: 2 });
    const first = commits.submit('a');
    await batch(1);
    const queued = [commits.submit('b'), commits.submit('c')];
    await expect(commits.submit('d')).rejects.toThrow(Overloaded);
    (await batch(1)).succeed();
    (await batch(2)).succeed();
    (await batch(3)).succeed();
    expect(await Promise.all([first, ...queued])).toEqual(['done a', 'done b', 'done c']);
    expect(seen().flat()).toEqual(['a', 'b', 'c']);
  });

  it('takes commands again as soon as the queue has room', async () => {
    const { commits, batch } = controlled({ batchSize: 1, batchesInFlight: 1, queueLength: 1 });
    void commits.submit('a');
    (await batch(1)).succeed();
    await settle();
    const next = commits.submit('b');
    (await batch(2)).succeed();
    expect(await next).toBe('done b');
  });

  it('refuses the commands that waited too long instead of answering them late, and commits the rest', async () => {
    let now = 1_000;
    jest.spyOn(performance, 'now').mockImplementation(() => now);
    const { commits, batches } = controlled({ batchesInFlight: 1, waitMs: 100 });
    void commits.submit('a');
    await turn();
    const late = commits.submit('late');
    late.catch(() => undefined);
    now += 50;
    void commits.submit('in time');
    now += 51;
    batches[0]?.succeed();
    await settle();
    jest.restoreAllMocks();
    await expect(late).rejects.toThrow(Overloaded);
    expect(batches.map(({ commands }) => commands)).toEqual([['a'], ['in time']]);
  });
});

describe('an unexpected error', () => {
  it('fails only the command that causes it', async () => {
    const poison = new Error('poison');
    const { commits } = scripted((commands) => {
      if (commands.includes('f')) throw poison;
      return commands.map(resultOf);
    });
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
    const answers = await Promise.allSettled(names.map((name) => commits.submit(name)));
    expect(answers).toEqual(
      names.map((name) =>
        name === 'f'
          ? { status: 'rejected', reason: poison }
          : { status: 'fulfilled', value: resultOf(name) },
      ),
    );
  });

  it('splits the batch without changing the order of its commands', async () => {
    const committed: string[] = [];
    const { commits } = scripted((commands) => {
      if (commands.includes('c')) throw new Error('poison');
      committed.push(...commands);
      return commands.map(resultOf);
    });
    await Promise.allSettled(['a', 'b', 'c', 'd', 'e'].map((name) => commits.submit(name)));
    expect(committed).toEqual(['a', 'b', 'd', 'e']);
  });

  it('leaves later batches alone', async () => {
    const { commits, batch } = controlled();
    const failing = commits.submit('a');
    (await batch(1)).fail(new Error('poison'));
    await expect(failing).rejects.toThrow('poison');
    const next = commits.submit('b');
    (await batch(2)).succeed();
    expect(await next).toBe('done b');
  });

  it('in one half of a split batch does not keep the other half from being committed', async () => {
    const { commits, calls } = scripted(
      (commands, call) => {
        if (call === 1) throw new Error('something in this batch');
        if (commands.includes('key-a')) throw call === 2 ? commitInDoubt : new Error('unexpected, in doubt');
        return commands.map(resultOf);
      },
      { doubtMs: 50 },
    );
    const answers = await Promise.allSettled([commits.submit('key-a'), commits.submit('b')]);
    expect(answers[1]).toEqual({ status: 'fulfilled', value: 'done b' });
    expect(calls).toContainEqual(['b']);
  });
});

describe('a conflict with another transaction', () => {
  it.each([
    ['deadlock', deadlock],
    ['serialization failure', databaseError('40001')],
    ['lost race', lostRace],
  ])('(%s) runs the whole batch again', async (_, conflict) => {
    const { commits, calls } = scripted((commands, call) => {
      if (call <= 2) throw conflict;
      return commands.map(resultOf);
    });
    expect(await Promise.all([commits.submit('a'), commits.submit('b')])).toEqual(['done a', 'done b']);
    expect(calls).toEqual([
      ['a', 'b'],
      ['a', 'b'],
      ['a', 'b'],
    ]);
  });

  it('that never ends is given up: nothing was done, and the caller may come back', async () => {
    const { commits, calls } = scripted(() => {
      throw deadlock;
    });
    await expect(commits.submit('a')).rejects.toThrow(Overloaded);
    expect(calls.length).toBeGreaterThan(1);
    expect(calls.length).toBeLessThan(20);
  });
});

describe('a database that cannot serve', () => {
  it.each([
    ['the connection is lost', connectionLost, DatabaseUnavailable],
    ['the connection is refused', databaseError('ECONNREFUSED'), DatabaseUnavailable],
    ['the pool is exhausted', new Error('timeout exceeded when trying to connect'), Overloaded],
    ['a lock is not granted in time', databaseError('55P03'), Overloaded],
  ])('%s: every command of the batch is refused once, without another try', async (_, error, Refusal) => {
    const { commits, calls } = scripted(() => {
      throw error;
    });
    const answers = await Promise.allSettled([commits.submit('a'), commits.submit('key-b')]);
    for (const answer of answers) expect(answer).toMatchObject({ reason: expect.any(Refusal) });
    expect(calls).toHaveLength(1);
  });

  it('lets the next batch try afresh', async () => {
    const { commits } = scripted((commands, call) => {
      if (call === 1) throw connectionLost;
      return commands.map(resultOf);
    });
    await expect(commits.submit('a')).rejects.toThrow(DatabaseUnavailable);
    expect(await commits.submit('b')).toBe('done b');
  });
});

describe('a commit whose outcome is unknown', () => {
  it('runs repeatable commands again and answers them; of the others it says that it does not know', async () => {
    const { commits, calls } = scripted((commands, call) => {
      if (call === 1) throw commitInDoubt;
      return commands.map(resultOf);
    });
    const answers = await Promise.allSettled(['key-a', 'b', 'key-c'].map((name) => commits.submit(name)));
    expect(answers).toMatchObject([
      { value: 'done key-a' },
      { reason: expect.any(OutcomeUnknown) },
      { value: 'done key-c' },
    ]);
    expect(calls).toEqual([
      ['key-a', 'b', 'key-c'],
      ['key-a', 'key-c'],
    ]);
  });

  it.each([
    ['connection lost', connectionLost],
    ['in doubt again', commitInDoubt],
    ['no connection free', new Error('timeout exceeded when trying to connect')],
    ['lock not granted', databaseError('55P03')],
    ['lost race', lostRace],
    ['deadlock', deadlock],
  ])('keeps asking while it cannot know (%s)', async (_, error) => {
    const { commits } = scripted((commands, call) => {
      if (call === 1) throw commitInDoubt;
      if (call === 2) throw error;
      return commands.map(resultOf);
    });
    expect(await commits.submit('key-a')).toBe('done key-a');
  });

  it('is reported as unknown when it cannot be found out within the time for it', async () => {
    const { commits } = scripted(
      () => {
        throw commitInDoubt;
      },
      { doubtMs: 1 },
    );
    await expect(commits.submit('key-a')).rejects.toThrow(OutcomeUnknown);
  });

  it('never becomes "nothing was done" because finding out failed unexpectedly', async () => {
    const { commits } = scripted(
      (_, call) => {
        throw call === 1 ? commitInDoubt : databaseError('57014');
      },
      { doubtMs: 50 },
    );
    await expect(commits.submit('key-a')).rejects.toThrow(OutcomeUnknown);
  });

  it('is settled by a refusal: the first run cannot have happened', async () => {
    const { commits } = scripted((_, call) => {
      throw call === 1 ? commitInDoubt : new Refused('There is one already');
    });
    await expect(commits.submit('key-a')).rejects.toThrow(Refused);
  });
});

describe('draining', () => {
  it('is over at once when nothing is under way', async () => {
    const { commits } = controlled();
    await expect(commits.drain()).resolves.toBeUndefined();
  });

  it('refuses new commands and resolves only when every accepted one is answered', async () => {
    const { commits, batch } = controlled({ batchSize: 1, batchesInFlight: 1 });
    const settled: string[] = [];
    const accepted = ['a', 'b'].map((name) => commits.submit(name).then((answer) => settled.push(answer)));
    const drained = commits.drain().then(() => settled.push('drained'));
    const again = commits.drain();
    await expect(commits.submit('c')).rejects.toThrow(Overloaded);
    (await batch(1)).succeed();
    await settle();
    expect(settled).toEqual(['done a']);
    (await batch(2)).succeed();
    await Promise.all([drained, again, ...accepted]);
    expect(settled).toEqual(['done a', 'done b', 'drained']);
  });

  it('waits for commands whose batch fails, too', async () => {
    const { commits, batch } = controlled();
    const failing = commits.submit('a');
    const drained = commits.drain();
    (await batch(1)).fail(connectionLost);
    await expect(failing).rejects.toThrow(DatabaseUnavailable);
    await expect(drained).resolves.toBeUndefined();
  });
});

describe('an observer', () => {
  /** A group commit that writes down what its observer hears, refusals by their code. */
  function observed(limits: Partial<GroupCommitLimits> = {}) {
    const batches: { size: number; seconds: number }[] = [];
    const refusals: [name: string, commands: number, code: string][] = [];
    const group = controlled(limits, [
      {
        batchEnded: (name, size, seconds) => void (name === 'test' && batches.push({ size, seconds })),
        turnedAway: (name, commands, { code }) => void refusals.push([name, commands, code]),
      },
    ]);
    return { ...group, ended: batches, refusals };
  }
  const settled = (commits: GroupCommit<string, string>, ...commands: string[]) =>
    Promise.allSettled(commands.map((command) => commits.submit(command)));

  it('hears of every batch when it has ended, with its size and how long it took', async () => {
    let now = 1_000;
    jest.spyOn(performance, 'now').mockImplementation(() => now);
    const { commits, batches, ended } = observed({ batchSize: 2 });
    const answers = settled(commits, 'a', 'b', 'c');
    await turn();
    expect(ended).toEqual([]);
    now += 250;
    batches[0]?.succeed();
    await settle();
    expect(ended).toEqual([{ size: 2, seconds: 0.25 }]);
    batches[1]?.fail(new Error('poison'));
    await answers;
    await settle();
    expect(ended).toEqual([
      { size: 2, seconds: 0.25 },
      { size: 1, seconds: 0.25 },
    ]);
  });

  it('hears of a split batch once, as it was taken', async () => {
    const { commits, batch, ended, refusals } = observed();
    const answers = settled(commits, 'a', 'b');
    (await batch(1)).fail(new Error('poison'));
    (await batch(2)).succeed();
    (await batch(3)).succeed();
    await answers;
    await settle();
    expect(ended).toMatchObject([{ size: 2 }]);
    expect(refusals).toEqual([]);
  });

  it.each([
    ['find the queue full', 'overloaded', { queueLength: 2 }, undefined, 1],
    ['waited too long', 'overloaded', { waitMs: -1 }, undefined, 3],
    ['cannot reach the database', 'database_unavailable', {}, connectionLost, 3],
    ['get no connection', 'overloaded', {}, new Error('timeout exceeded when trying to connect'), 3],
    ['get no lock', 'overloaded', {}, databaseError('55P03'), 3],
    ['may or may not have happened', 'database_unavailable', {}, commitInDoubt, 3],
  ] as const)('hears of the commands that %s: %s', async (_, code, limits, error, commands) => {
    const { commits, batches, refusals } = observed(limits);
    const answers = settled(commits, 'a', 'b', 'c');
    await settle();
    if (error === undefined) batches[0]?.succeed();
    else batches[0]?.fail(error);
    await answers;
    expect(refusals).toEqual([['test', commands, code]]);
  });

  it('hears of commands that come while the server stops', async () => {
    const { commits, refusals } = observed();
    await commits.drain();
    await settled(commits, 'a');
    expect(refusals).toEqual([['test', 1, 'overloaded']]);
  });

  it('hears nothing of a refusal that a command got for what it asked', async () => {
    const { commits, batch, ended, refusals } = observed();
    const answers = settled(commits, 'a');
    (await batch(1)).succeed([new Refused('a is refused')]);
    await answers;
    await settle();
    expect(ended).toMatchObject([{ size: 1 }]);
    expect(refusals).toEqual([]);
  });
});

/** A made-up database with the traits that matter here: it fails in every way, and it knows keys it has seen. */
class UnreliableDatabase {
  readonly batches: (readonly RandomCommand[])[] = [];
  readonly effects = new Map<number, number>();
  inFlight = 0;
  mostInFlight = 0;
  private readonly tried = new Set<number>();

  constructor(private readonly incidents: readonly Incident[]) {}

  async commit(commands: readonly RandomCommand[]): Promise<Outcome<string>[]> {
    this.inFlight += 1;
    this.mostInFlight = Math.max(this.mostInFlight, this.inFlight);
    this.batches.push(commands);
    try {
      const incident = this.nextIncident(commands);
      for (let turns = 0; turns < incident.turns; turns += 1) await turn();
      if (incident.kind === 'conflict') throw deadlock;
      if (incident.kind === 'lost') throw connectionLost;
      const poison = commands.find(({ fate }) => fate === 'poison');
      if (poison !== undefined) throw new Error(`poison ${poison.id}`);
      if (incident.kind === 'unknown, and it did not happen') throw commitInDoubt;
      const outcomes = this.apply(commands);
      if (incident.kind === 'unknown, and it happened') throw commitInDoubt;
      return outcomes;
    } finally {
      this.inFlight -= 1;
    }
  }

  /** An incident strikes only commands that are tried for the first time, so that every story has an end. */
  private nextIncident(commands: readonly RandomCommand[]): Incident {
    const areNew = commands.every(({ id }) => !this.tried.has(id));
    for (const { id } of commands) this.tried.add(id);
    const incident = areNew ? this.incidents[this.batches.length % this.incidents.length] : undefined;
    return incident ?? { kind: 'none', turns: 0 };
  }

  private apply(commands: readonly RandomCommand[]): Outcome<string>[] {
    return commands.map(({ id, fate, hasKey }) => {
      if (fate === 'refuse') return new Refused(`refused ${id}`);
      if (!hasKey || !this.effects.has(id)) this.effects.set(id, (this.effects.get(id) ?? 0) + 1);
      return `done ${id}`;
    });
  }
}

interface RandomCommand {
  readonly id: number;
  readonly fate: 'accept' | 'refuse' | 'poison';
  readonly hasKey: boolean;
}

interface Incident {
  readonly kind: 'none' | 'conflict' | 'lost' | 'unknown, and it happened' | 'unknown, and it did not happen';
  readonly turns: number;
}

const anyIncident: fc.Arbitrary<Incident> = fc.record({
  kind: fc.oneof(
    { weight: 6, arbitrary: fc.constant<Incident['kind']>('none') },
    fc.constantFrom<Incident['kind']>('conflict', 'lost'),
    fc.constantFrom<Incident['kind']>('unknown, and it happened', 'unknown, and it did not happen'),
  ),
  turns: fc.nat(3),
});

const anyCommand = fc.record({
  fate: fc.oneof(
    { weight: 8, arbitrary: fc.constant<RandomCommand['fate']>('accept') },
    { weight: 2, arbitrary: fc.constant<RandomCommand['fate']>('refuse') },
    fc.constant<RandomCommand['fate']>('poison'),
  ),
  hasKey: fc.boolean(),
});

const anyStory = fc.record({
  /** Commands by the turn of the event loop they arrive in. */
  arrivals: fc.array(fc.array(anyCommand, { maxLength: 6 }), { maxLength: 8 }),
  incidents: fc.array(anyIncident, { minLength: 1, maxLength: 6 }),
  batchSize: fc.integer({ min: 1, max: 6 }),
  batchesInFlight: fc.integer({ min: 1, max: 3 }),
  queueLength: fc.integer({ min: 1, max: 20 }),
});

describe('whatever arrives and whatever fails', () => {
  it('every command is answered with its own outcome, takes effect at most once, first come first served', async () => {
    await fc.assert(
      fc.asyncProperty(anyStory, async ({ arrivals, incidents, ...limits }) => {
        const database = new UnreliableDatabase(incidents);
        const commits = new GroupCommit<RandomCommand, string>({
          name: 'test',
          commit: (commands) => database.commit(commands),
          isRepeatable: ({ hasKey }) => hasKey,
          limits,
        });
        const commands: RandomCommand[] = [];
        const answers: Promise<PromiseSettledResult<string>>[] = [];
        for (const arriving of arrivals) {
          for (const traits of arriving) {
            const command = { id: commands.length, ...traits };
            commands.push(command);
            answers.push(Promise.allSettled([commits.submit(command)]).then(([answer]) => answer));
          }
          await turn();
        }
        await commits.drain();
        const settled = await Promise.all(answers);

        settled.forEach((answer, id) => expectHonest(answer, commands[id] as RandomCommand, database));
        // Commands reach the database in the order they came; only a command refused at the door never does.
        const firstSeen = [...new Set(database.batches.flat().map(({ id }) => id))];
        expect(firstSeen).toEqual(firstSeen.toSorted((a, b) => a - b));
        expect(Math.max(0, ...database.batches.map(({ length }) => length))).toBeLessThanOrEqual(
          limits.batchSize,
        );
        expect(database.mostInFlight).toBeLessThanOrEqual(limits.batchesInFlight);
      }),
      { numRuns: 150 },
    );
  });
});

function expectHonest(
  answer: PromiseSettledResult<string>,
  { id, fate, hasKey }: RandomCommand,
  { effects, batches }: UnreliableDatabase,
): void {
  const effect = effects.get(id) ?? 0;
  if (answer.status === 'fulfilled') {
    expect({ answer: answer.value, effect, fate }).toEqual({
      answer: `done ${id}`,
      effect: 1,
      fate: 'accept',
    });
    return;
  }
  const error = answer.reason as Error;
  if (error instanceof OutcomeUnknown) {
    expect(hasKey).toBe(false);
    expect(effect).toBeLessThanOrEqual(1);
    return;
  }
  expect(effect).toBe(0);
  if (error instanceof Overloaded) expect(batches.flat().every((command) => command.id !== id)).toBe(true);
  else if (error instanceof Refused)
    expect({ text: error.message, fate }).toEqual({ text: `refused ${id}`, fate: 'refuse' });
  else if (!(error instanceof DatabaseUnavailable)) {
    expect({ text: error.message, fate }).toEqual({ text: `poison ${id}`, fate: 'poison' });
  }
}
