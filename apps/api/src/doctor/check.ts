/** One promise about the data as a whole, and the query that finds where it is broken. */
export interface Check {
  /** Subject and promise, such as `stock/allocated`. */
  readonly name: string;
  /** What holds when nothing is found. */
  readonly holds: string;
  /** Yields one row per discrepancy; its column `discrepancy` names it in words. */
  readonly sql: string;
  /** The query's parameters. */
  readonly values?: (settings: CheckSettings) => readonly unknown[];
}

export interface CheckSettings {
  /** The time zone whose midnight begins a business day. One that was changed meanwhile makes old days look wrong. */
  readonly businessTimezone: string;
}

const NUMBERS_PER_DAY = 10_000_000_000n;

/** SQL for the business day in a stored order number: 20261120. */
export function dayOf(id: string): string {
  return `(${id} / ${NUMBERS_PER_DAY})`;
}

/** SQL for the number within its day. */
export function countOf(id: string): string {
  return `(${id} % ${NUMBERS_PER_DAY})`;
}

/** SQL for the public form of a stored order number, as the journal and the answers have it: 20261120-00001. */
export function shown(id: string): string {
  const count = `${countOf(id)}::text`;
  return `(${dayOf(id)} || '-' || lpad(${count}, greatest(5, length(${count})), '0'))`;
}
