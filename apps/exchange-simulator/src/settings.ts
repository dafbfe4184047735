import { type Behaviour, changedBehaviour, InvalidInput, NORMAL_BEHAVIOUR, SETTINGS } from './behaviour.js';

/** What is set by the environment, once. */
export interface Settings {
  /** 0: any that is free. */
  readonly port: number;
  readonly host: string;
  readonly seed: number;
  /** At least so many reports can be replayed. */
  readonly keepReports: number;
  /** What requests to the venue have to bring, as a bearer token; absent: nothing. */
  readonly token?: string;
  /** Where orders and reports outlive the process; absent: nowhere. */
  readonly stateFile?: string;
  /** As it begins; it can be changed at run time. */
  readonly behaviour: Behaviour;
}

const PREFIX = 'EXCHANGE_SIMULATOR_';

/** `latencyMinMs` is `LATENCY_MIN_MS`. */
const variableOf = (setting: string) => setting.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();

const ONLY_AT_START = ['PORT', 'HOST', 'SEED', 'KEEP_REPORTS', 'TOKEN', 'STATE_FILE'];

/** All variables that are read. */
export const SIMULATOR_VARIABLES: ReadonlySet<string> = new Set(
  [...ONLY_AT_START, ...SETTINGS.map(variableOf)].map((name) => PREFIX + name),
);

/** @throws {InvalidInput} with every variable that is wrong, or that looks like one and is none */
export function readSettings(environment: NodeJS.ProcessEnv): Settings {
  const problems = Object.keys(environment)
    .filter((name) => name.startsWith(PREFIX) && !SIMULATOR_VARIABLES.has(name))
    .map((name) => `${name} is not a setting`);
  const text = (name: string) => environment[PREFIX + name]?.trim() || undefined;
  const whole = (name: string, fallback: number, maximum: number) => {
    const value = text(name) ?? String(fallback);
    if (!/^\d{1,15}$/.test(value) || Number(value) > maximum)
      problems.push(`${PREFIX}${name} must be a whole number from 0 to ${maximum}`);
    return Number(value);
  };
  const token = text('TOKEN');
  const stateFile = text('STATE_FILE');
  const settings = {
    port: whole('PORT', 4010, 65_535),
    host: text('HOST') ?? '127.0.0.1',
    seed: whole('SEED', 1, 2 ** 32 - 1),
    keepReports: whole('KEEP_REPORTS', 2_000_000, 100_000_000),
    ...(token !== undefined && { token }),
    ...(stateFile !== undefined && { stateFile }),
  };
  const changes = SETTINGS.flatMap((name) => {
    const value = text(variableOf(name));
    return value === undefined ? [] : [[name, Number(value)]];
  });
  try {
    const nameOf = (name: string) => PREFIX + variableOf(name);
    const behaviour = changedBehaviour(NORMAL_BEHAVIOUR, Object.fromEntries(changes), nameOf);
    if (problems.length === 0) return { ...settings, behaviour };
  } catch (error) {
    if (!(error instanceof InvalidInput)) throw error;
    problems.push(...error.problems);
  }
  throw new InvalidInput(problems);
}
