/** The values of a statement's parameters, in the order in which they were bound. For statements put together from parts. */
export class StatementValues {
  readonly bound: unknown[] = [];

  /** The parameter that stands for the value: `$3`. */
  bind(value: unknown): string {
    return `$${this.bound.push(value)}`;
  }

  /** The conditions whose value is there: `placed_at >=` becomes `placed_at >= $4`. */
  compare(comparisons: readonly (readonly [comparison: string, value: unknown])[]): string[] {
    return comparisons.flatMap(([comparison, value]) =>
      value === null || value === undefined ? [] : [`${comparison} ${this.bind(value)}`],
    );
  }
}
