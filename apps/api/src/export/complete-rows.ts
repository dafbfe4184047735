const LINE_FEED = 0x0a;
const QUOTE = 0x22;

/** Whole rows, as they came. */
export interface Rows {
  readonly bytes: Buffer;
  /** Where each row ends. */
  readonly ends: readonly number[];
}

/** Cuts what arrives into rows: what lacks its end is held back until that arrives too. */
export class CompleteRows {
  private rest = Buffer.alloc(0);
  private isInQuotes = false;

  constructor(private readonly format: 'ndjson' | 'csv') {}

  /** True while a row has begun and not ended. */
  get isWithinRow(): boolean {
    return this.rest.length > 0;
  }

  add(chunk: Uint8Array): Rows {
    const bytes = Buffer.concat([this.rest, chunk]);
    const ends: number[] = [];
    for (let at = this.rest.length; at < bytes.length; at += 1) {
      if (bytes[at] === QUOTE && this.format === 'csv') this.isInQuotes = !this.isInQuotes;
      else if (bytes[at] === LINE_FEED && !this.isInQuotes) ends.push(at + 1);
    }
    const end = ends.at(-1) ?? 0;
    this.rest = bytes.subarray(end);
    return { bytes: bytes.subarray(0, end), ends };
  }
}

/** The cursor of a row; undefined when it has none, as the header of a CSV. */
export function cursorOf(row: string, format: 'ndjson' | 'csv'): string | undefined {
  const pattern = format === 'csv' ? /,([\w-]{20,})\r\n$/ : /,"cursor":"([\w-]+)"\}\n$/;
  return pattern.exec(row)?.[1];
}
