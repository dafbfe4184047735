/*
 * Set-based statements get one parameter per column. The driver would build PostgreSQL's array literals element by
 * element, escaping every quote in texts that are JSON; at thousands of rows a second that was a fifth of all memory
 * the server allocated. These take one pass, and the text of a column is not escaped at all.
 */

// "Record separator". JSON escapes control characters, and every text a client can send is refused with one in it.
const SEPARATOR = '\x1e';

/** A parameter for `$n::bigint[]` and the like. Decimal text stands for numbers that exceed 2^53. */
export function numberColumn(values: readonly (number | string | null)[]): string {
  return `{${values.map((value) => value ?? 'NULL').join()}}`;
}

/**
 * A parameter for {@link textsIn}. An empty text becomes NULL.
 * @throws {RangeError} when a text contains the separator: its neighbours would end up in the wrong rows
 */
export function textColumn(values: readonly (string | null)[]): string {
  for (const value of values) {
    if (value?.includes(SEPARATOR)) throw new RangeError('A text of a set-based statement contains U+001E');
  }
  return values.join(SEPARATOR);
}

/** SQL for the text array that a {@link textColumn} parameter stands for. */
export function textsIn(parameter: `$${number}`): string {
  return `string_to_array(${parameter}, chr(30), '')`;
}
