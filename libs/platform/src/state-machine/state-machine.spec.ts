import fc from 'fast-check';

import { IllegalTransition, StateMachine, type StateMachineDefinition } from './state-machine.js';

const door: StateMachineDefinition<string> = {
  name: 'door',
  initial: 'open',
  transitions: { open: ['shut'], shut: ['open', 'locked'], locked: ['shut', 'bricked up'], 'bricked up': [] },
  final: ['bricked up'],
};

const make = (changes: Partial<StateMachineDefinition<string>>) => () =>
  new StateMachine({ ...door, ...changes });

describe('the definition of a state machine', () => {
  it('is accepted when every state can be reached and every dead end is final', () => {
    expect(make({})).not.toThrow();
  });

  it.each<[string, Partial<StateMachineDefinition<string>>]>([
    ['unknown initial state ajar', { initial: 'ajar' }],
    ['unknown target ajar', { transitions: { ...door.transitions, open: ['shut', 'ajar'] } }],
    ['glazed cannot be reached', { transitions: { ...door.transitions, glazed: ['open'] } }],
    [
      'island cannot be reached',
      { transitions: { ...door.transitions, island: ['reef'], reef: ['island'] } },
    ],
    ['bricked up is a dead end that is not declared final', { final: [] }],
    ['shut is not final', { final: ['bricked up', 'shut'] }],
    ['ajar is not final', { final: ['bricked up', 'ajar'] }],
  ])('is refused: %s', (problem, changes) => {
    expect(make(changes)).toThrow(problem);
  });

  it('is refused with all its problems at once, under the name of the machine', () => {
    const broken = make({
      transitions: { ...door.transitions, open: ['shut', 'ajar'], glazed: [] },
      final: [],
    });
    expect(broken).toThrow('State machine door: ');
    expect(broken).toThrow('unknown target ajar');
    expect(broken).toThrow('glazed cannot be reached');
    expect(broken).toThrow('glazed is a dead end');
    expect(broken).toThrow('bricked up is a dead end');
  });
});

describe('a state machine', () => {
  const machine = new StateMachine(door);

  it('knows its states and where it starts', () => {
    expect(machine.initial).toBe('open');
    expect(machine.states).toEqual(['open', 'shut', 'locked', 'bricked up']);
  });

  it('allows exactly the moves of its table', () => {
    const moves = machine.states.flatMap((from) =>
      machine.states.filter((to) => machine.isAllowed(from, to)).map((to) => `${from} > ${to}`),
    );
    expect(moves).toEqual([
      'open > shut',
      'shut > open',
      'shut > locked',
      'locked > shut',
      'locked > bricked up',
    ]);
    for (const from of machine.states) {
      expect(machine.allowed(from)).toEqual(machine.states.filter((to) => machine.isAllowed(from, to)));
    }
  });

  it('refuses a move with the states that are possible instead', () => {
    const refusal = machine.refusal('shut', 'bricked up');
    expect(refusal).toBeInstanceOf(IllegalTransition);
    expect(refusal).toMatchObject({
      status: 409,
      code: 'illegal_transition',
      details: { from: 'shut', to: 'bricked up', allowed: ['open', 'locked'] },
      message: 'The door is shut and cannot become bricked up; it can become open, locked.',
    });
  });

  it('says that nothing is possible when it refuses to leave a final state', () => {
    expect(machine.refusal('bricked up', 'open')).toMatchObject({
      details: { allowed: [] },
      message: 'The door is bricked up and cannot become open; it can become nothing.',
    });
  });

  it('draws itself: the start, every edge once, every end', () => {
    expect(machine.toMermaid()).toBe(
      [
        'stateDiagram-v2',
        '  [*] --> open',
        '  open --> shut',
        '  shut --> open',
        '  shut --> locked',
        '  locked --> shut',
        '  locked --> bricked up',
        '  bricked up --> [*]',
      ].join('\n'),
    );
  });
});

describe('any table of transitions', () => {
  const names = ['a', 'b', 'c', 'd', 'e'];
  const anyDefinition = fc
    .record({
      rows: fc.array(fc.subarray(names), { minLength: 1, maxLength: 4 }),
      final: fc.subarray(names.slice(0, 4)),
    })
    .map(({ rows, final }) => ({
      name: 'thing',
      initial: 'a',
      transitions: Object.fromEntries(rows.map((targets, index) => [names[index] as string, targets])),
      final,
    }));

  it('is accepted exactly when walking it from the start meets every state, and only declared ends', () => {
    fc.assert(
      fc.property(anyDefinition, ({ transitions, final, ...rest }) => {
        const states = Object.keys(transitions);
        const met = walk(transitions, rest.initial);
        const ends = states.filter((state) => transitions[state]?.length === 0);
        const isSound =
          met.toSorted().join() === states.toSorted().join() &&
          ends.toSorted().join() === final.toSorted().join();
        const construct = () => new StateMachine({ ...rest, transitions, final });
        if (isSound) expect(construct).not.toThrow();
        else expect(construct).toThrow('State machine thing: ');
      }),
    );
  });
});

/** Every state one can get to, in the plainest way: by going everywhere until nothing new turns up. */
function walk(transitions: Record<string, readonly string[]>, start: string): string[] {
  const met = [start];
  for (let step = 0; step < 10; step += 1) {
    for (const state of [...met]) {
      for (const next of transitions[state] ?? []) if (!met.includes(next)) met.push(next);
    }
  }
  return met;
}
