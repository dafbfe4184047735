const LONGEST = 300;

/** What a venue says, as one short line that a database can store and a log can show. */
export function oneLine(text: string): string {
  // Control characters, directions of writing, halves of surrogate pairs: of these a stranger can make what they like.
  return text
    .slice(0, LONGEST)
    .replace(/[\p{C}\s]+/gu, ' ')
    .trim();
}

/** The object in an answer's body; an empty one if there is none. */
export function parseObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}
