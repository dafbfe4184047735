import { DomainError } from '../errors/domain-error.js';

/** The whole life of one kind of thing, as data. */
export interface StateMachineDefinition<S extends string> {
  readonly name: string;
  readonly initial: S;
  readonly transitions: Readonly<Record<S, readonly S[]>>;
  /** States that nothing leaves. */
  readonly final: readonly S[];
}

/** A move that is no edge of the state machine. */
export class IllegalTransition extends DomainError {
  readonly code = 'illegal_transition';
  readonly status = 409;

  constructor(name: string, from: string, to: string, allowed: readonly string[]) {
    const moves = allowed.length === 0 ? 'nothing' : allowed.join(', ');
    super(`The ${name} is ${from} and cannot become ${to}; it can become ${moves}.`, { from, to, allowed });
  }
}

/**
 * Answers which moves are allowed. The definition is checked when the machine is made, so that a wrong table stops the
 * start instead of an order.
 */
export class StateMachine<S extends string> {
  constructor(private readonly definition: StateMachineDefinition<S>) {
    const problems = findProblems(definition);
    if (problems.length > 0) throw new Error(`State machine ${definition.name}: ${problems.join('; ')}`);
  }

  get initial(): S {
    return this.definition.initial;
  }

  get states(): readonly S[] {
    return Object.keys(this.definition.transitions) as S[];
  }

  allowed(from: S): readonly S[] {
    return this.definition.transitions[from];
  }

  isAllowed(from: S, to: S): boolean {
    return this.allowed(from).includes(to);
  }

  /** The refusal to throw or to return for a move that is not allowed. */
  refusal(from: S, to: S): IllegalTransition {
    return new IllegalTransition(this.definition.name, from, to, this.allowed(from));
  }

  /** The machine as a Mermaid state diagram, for the documentation. */
  toMermaid(): string {
    const edges = this.states.flatMap((from) => this.allowed(from).map((to) => `  ${from} --> ${to}`));
    const ends = this.definition.final.map((state) => `  ${state} --> [*]`);
    return ['stateDiagram-v2', `  [*] --> ${this.initial}`, ...edges, ...ends].join('\n');
  }
}

function findProblems<S extends string>(definition: StateMachineDefinition<S>): string[] {
  const { initial, transitions, final } = definition;
  const states = Object.keys(transitions) as S[];
  const targets = new Set(states.flatMap((state) => transitions[state]));
  const reached = reachable(initial, transitions);
  return [
    ...(states.includes(initial) ? [] : [`unknown initial state ${initial}`]),
    ...[...targets].filter((target) => !states.includes(target)).map((target) => `unknown target ${target}`),
    ...states.filter((state) => !reached.has(state)).map((state) => `${state} cannot be reached`),
    ...states
      .filter((state) => transitions[state].length === 0 && !final.includes(state))
      .map((state) => `${state} is a dead end that is not declared final`),
    ...final.filter((state) => (transitions[state]?.length ?? 1) > 0).map((state) => `${state} is not final`),
  ];
}

function reachable<S extends string>(initial: S, transitions: Readonly<Record<S, readonly S[]>>): Set<S> {
  const reached = new Set<S>([initial]);
  for (const state of reached) for (const next of transitions[state] ?? []) reached.add(next);
  return reached;
}
