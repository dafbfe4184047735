import { parseArgs } from 'node:util';
import { say } from './terminal.ts';

/** One option of a benchmark: what it is by default, and what a reader of `--help` is told. */
export interface Option {
  default?: string;
  help: string;
  /** Given or not, without a value. */
  isFlag?: boolean;
}

const COMMON = { 'database-url': { help: 'a superuser of a server to use instead of starting one' } };

/**
 * Reads `--name value` options, and flags.
 * @returns undefined when `--help` was asked for, and was given
 */
export function readOptions(options: Record<string, Option>): Options | undefined {
  const known = { ...options, ...COMMON };
  const { values } = parseArgs({
    options: {
      ...Object.fromEntries(
        Object.entries<Option>(known).map(([name, { isFlag = false }]) => [
          name,
          { type: isFlag ? ('boolean' as const) : ('string' as const) },
        ]),
      ),
      help: { type: 'boolean' as const },
    },
  });
  if (values.help === true) {
    for (const [name, { help, default: value }] of Object.entries<Option>(known)) {
      say(`  --${name.padEnd(14)} ${help}${value === undefined ? '' : ` (${value})`}`);
    }
    return undefined;
  }
  const texts = Object.entries<Option>(known).map(
    ([name, { default: value }]): [string, string | undefined] => {
      const given: unknown = Reflect.get(values, name);
      return [name, typeof given === 'string' ? given : given === true ? '' : value];
    },
  );
  return new Options(new Map(texts));
}

export class Options {
  readonly #texts: ReadonlyMap<string, string | undefined>;

  constructor(texts: ReadonlyMap<string, string | undefined>) {
    this.#texts = texts;
  }

  get databaseUrl(): string | undefined {
    return this.#texts.get('database-url');
  }

  text(name: string): string {
    return this.#texts.get(name) ?? '';
  }

  isGiven(name: string): boolean {
    return this.#texts.get(name) !== undefined;
  }

  list(name: string): string[] {
    return this.text(name)
      .split(',')
      .map((item) => item.trim());
  }

  wholeNumber(name: string): number {
    return wholeNumber(name, this.text(name));
  }

  wholeNumbers(name: string): number[] {
    return this.list(name).map((item) => wholeNumber(name, item));
  }
}

function wholeNumber(name: string, text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) {
    throw new Error(`--${name} takes whole numbers from 1, not "${text}"`);
  }
  return number;
}
