import { readFileSync } from 'node:fs';

/** Reads variables one by one and collects what is wrong with them. An empty value counts as absent. */
export class EnvironmentReader {
  readonly problems: string[] = [];

  constructor(private readonly environment: NodeJS.ProcessEnv) {}

  /** @param complaint what is said of a value that is not accepted, behind the name */
  optional(name: string, accepts: (value: string) => boolean, complaint: string): string | undefined {
    const value = this.environment[name]?.trim();
    if (value === undefined || value === '') return undefined;
    if (!accepts(value)) this.problems.push(`${name} ${complaint}`);
    return value;
  }

  text(name: string, fallback: string, accepts: (value: string) => boolean, complaint: string): string {
    return this.optional(name, accepts, complaint) ?? fallback;
  }

  secret(name: string, accepts: (value: string) => boolean, complaint: string): string | undefined {
    const path = this.environment[`${name}_FILE`];
    if (path === undefined || path === '') return this.optional(name, accepts, complaint);
    if (this.optional(name, () => true, '') !== undefined) {
      this.problems.push(`${name} and ${name}_FILE exclude each other: set one of them`);
    }
    try {
      const value = readFileSync(path, 'utf8').trim();
      if (!accepts(value)) this.problems.push(`${name}_FILE: its content ${complaint}`);
      return value;
    } catch (error) {
      this.problems.push(`${name}_FILE cannot be read: ${(error as Error).message}`);
      return undefined;
    }
  }

  optionalInteger(name: string, minimum: number, maximum: number): number | undefined {
    const complaint = `must be a whole number from ${minimum} to ${maximum}`;
    const inRange = (value: string) => /^\d+$/.test(value) && +value >= minimum && +value <= maximum;
    const value = this.optional(name, inRange, complaint);
    return value === undefined ? undefined : Number(value);
  }

  integer(name: string, fallback: number, minimum: number, maximum: number): number {
    return this.optionalInteger(name, minimum, maximum) ?? fallback;
  }

  choice<T extends string>(name: string, fallback: T, choices: readonly T[]): T {
    const isChoice = (value: string) => (choices as readonly string[]).includes(value);
    return this.text(name, fallback, isChoice, `must be one of ${choices.join(', ')}`) as T;
  }

  optionalBoolean(name: string): boolean | undefined {
    const value = this.optional(name, (text) => text === 'true' || text === 'false', 'must be true or false');
    return value === undefined ? undefined : value === 'true';
  }

  /** All of the choices, unless some are named. */
  choices<T extends string>(name: string, choices: readonly T[]): readonly T[] {
    const split = (value: string) => value.split(',').map((choice) => choice.trim());
    const known = (value: string) => split(value).every((choice) => choices.includes(choice as T));
    return split(this.text(name, choices.join(), known, `must list some of ${choices.join(', ')}`)) as T[];
  }
}

/** The key with its value, or nothing when there is none. */
export function defined<K extends string, V>(key: K, value: V | undefined): Partial<Record<K, V>> {
  return value === undefined ? {} : ({ [key]: value } as Record<K, V>);
}

/** Long enough for a secret that signs. */
export const isLongEnough = (value: string) => value.length >= 32;
export const isHttpUrl = (value: string) => ['http:', 'https:'].includes(URL.parse(value)?.protocol ?? '');
