/** What can be set by the environment and at run time; README.md tells it in full. */
export interface Behaviour {
  /** How long a request takes; an order is taken, or a cancel noted, in the middle of it. */
  readonly latencyMinMs: number;
  readonly latencyMaxMs: number;
  /** Placements that are refused, for good. */
  readonly refusalPercent: number;
  /** Orders that are accepted, and rejected by a report. */
  readonly lateRefusalPercent: number;
  /** Requests that are answered 503 and have no effect. */
  readonly failurePercent: number;
  /** Requests that have their effect and get no answer: the connection hangs, or is cut. */
  readonly lostAnswerPercent: number;
  /** Into how many trades an order is split. */
  readonly fillsMin: number;
  readonly fillsMax: number;
  /** The time before each trade of an order. */
  readonly fillPaceMinMs: number;
  readonly fillPaceMaxMs: number;
  /** How long a cancel is thought over; a fill may win meanwhile. */
  readonly cancelDelayMinMs: number;
  readonly cancelDelayMaxMs: number;
  /** A resting order expires after this; 0: never. */
  readonly expireAfterMs: number;
  /** Filled orders of which one more trade is reported. */
  readonly overfillPercent: number;
  /** Trades after which a trade of an order that nobody has placed is reported. */
  readonly unknownOrderPercent: number;
  /** Trades that are reported once more, with the same ExecID under a new sequence number. */
  readonly repeatPercent: number;
  /** Reports that are sent twice. */
  readonly duplicatePercent: number;
  /** Reports that are sent after some that follow them. */
  readonly reorderPercent: number;
  /** Behind how many others at most, for the two above. */
  readonly reorderWindow: number;
  /** Reports with which a gap begins, as long as they are new: replay has them. */
  readonly gapPercent: number;
  /** How many are left out at most. */
  readonly gapLength: number;
  /** New reports behind which the connection is cut. */
  readonly disconnectPercent: number;
  /** Prices in cents by instrument, in place of those made up. */
  readonly prices: Readonly<Record<string, number>>;
}

type Setting = Exclude<keyof Behaviour, 'prices'>;

interface Rule {
  readonly normal: number;
  readonly maximum: number;
  /** 0 unless told. */
  readonly minimum?: number;
}

const percent: Rule = { normal: 0, maximum: 100 };
const milliseconds = (normal: number): Rule => ({ normal, maximum: 3_600_000 });
const count = (normal: number): Rule => ({ normal, minimum: 1, maximum: 10_000 });

const RULES: Readonly<Record<Setting, Rule>> = {
  latencyMinMs: milliseconds(0),
  latencyMaxMs: milliseconds(0),
  refusalPercent: percent,
  lateRefusalPercent: percent,
  failurePercent: percent,
  lostAnswerPercent: percent,
  fillsMin: count(1),
  fillsMax: count(5),
  fillPaceMinMs: milliseconds(100),
  fillPaceMaxMs: milliseconds(1_000),
  cancelDelayMinMs: milliseconds(0),
  cancelDelayMaxMs: milliseconds(200),
  expireAfterMs: milliseconds(0),
  overfillPercent: percent,
  unknownOrderPercent: percent,
  repeatPercent: percent,
  duplicatePercent: percent,
  reorderPercent: percent,
  reorderWindow: count(20),
  gapPercent: percent,
  gapLength: count(10),
  disconnectPercent: percent,
};

/** The names of all settings that are numbers. */
export const SETTINGS = Object.keys(RULES) as readonly Setting[];

const RANGES: readonly (readonly [Setting, Setting])[] = [
  ['latencyMinMs', 'latencyMaxMs'],
  ['fillsMin', 'fillsMax'],
  ['fillPaceMinMs', 'fillPaceMaxMs'],
  ['cancelDelayMinMs', 'cancelDelayMaxMs'],
];

export const NORMAL_BEHAVIOUR: Behaviour = {
  ...(Object.fromEntries(SETTINGS.map((name) => [name, RULES[name].normal])) as Record<Setting, number>),
  prices: {},
};

/** Thrown with one line for each thing that is wrong. */
export class InvalidInput extends Error {
  constructor(readonly problems: readonly string[]) {
    super(problems.join('\n'));
  }
}

/**
 * The behaviour with these settings changed; the others stay.
 * @param nameOf what a setting is called by whoever set it
 * @throws {InvalidInput}
 */
export function changedBehaviour(
  behaviour: Behaviour,
  changes: Readonly<Record<string, unknown>>,
  nameOf: (setting: string) => string = (setting) => setting,
): Behaviour {
  const problems = Object.entries(changes).flatMap(([name, value]) => problemWith(name, value, nameOf));
  const changed = { ...behaviour, ...changes } as Behaviour;
  for (const [minimum, maximum] of RANGES) {
    if (changed[minimum] > changed[maximum])
      problems.push(`${nameOf(minimum)} must not be more than ${nameOf(maximum)}`);
  }
  if (problems.length > 0) throw new InvalidInput(problems);
  return changed;
}

function problemWith(name: string, value: unknown, nameOf: (setting: string) => string): string[] {
  if (name === 'prices')
    return arePrices(value) ? [] : [`${nameOf(name)} must be an object of whole cents, 1 or more`];
  const rule = Object.hasOwn(RULES, name) ? RULES[name as Setting] : undefined;
  if (rule === undefined) return [`${nameOf(name)} is not a setting`];
  const { minimum = 0, maximum } = rule;
  const isWithin = typeof value === 'number' && value >= minimum && value <= maximum;
  const isGood = isWithin && (rule === percent || Number.isInteger(value));
  const kind = rule === percent ? 'number' : 'whole number';
  return isGood ? [] : [`${nameOf(name)} must be a ${kind} from ${minimum} to ${maximum}`];
}

function arePrices(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.values(value).every((price) => Number.isSafeInteger(price) && (price as number) > 0);
}
