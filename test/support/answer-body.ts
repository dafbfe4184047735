/** The body of an answer as its type says: parsed JSON, the parsed rows of NDJSON, undefined for anything else. */
export function readAnswerBody(type: string | null, text: string): unknown {
  if (mediaTypeOf(type) === 'application/x-ndjson') return readNdjson(text);
  return /json/.test(type ?? '') && text !== '' ? JSON.parse(text) : undefined;
}

/** The type without its parameters. */
export function mediaTypeOf(type: string | null): string {
  return type?.split(';', 1)[0]?.trim() ?? '';
}

/** Every row ends with a line feed, the last one too. */
export function readNdjson<Row>(text: string): Row[] {
  const rows = text.split('\n');
  if (rows.pop() !== '') throw new Error('The text ends in the middle of a row');
  return rows.map((row) => JSON.parse(row) as Row);
}
