// One field and what ends it, as RFC 4180 has it: quoted, with quotes doubled, or without any character that needs quotes.
const FIELD = /(?:"(?<quoted>(?:[^"]|"")*)"|(?<plain>[^",\r\n]*))(?<end>,|\r\n)/y;

/** The records of a CSV. @throws when anything is not as RFC 4180 has it, or records differ in how many fields they have */
export function parseCsv(text: string): string[][] {
  const records: string[][] = [];
  let record: string[] = [];
  FIELD.lastIndex = 0;
  while (FIELD.lastIndex < text.length) {
    const at = FIELD.lastIndex;
    const { quoted, plain = '', end } = FIELD.exec(text)?.groups ?? {};
    if (end === undefined) throw new Error(`No CSV at ${at}: ${text.slice(at, at + 80)}`);
    record.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (end !== ',') {
      if (record.length !== (records[0] ?? record).length) throw new Error(`Another width: ${record.join()}`);
      records.push(record);
      record = [];
    }
  }
  if (record.length > 0) throw new Error('The last record does not end');
  return records;
}

/** The rows of a CSV by the names in its first record. */
export function parseCsvRows(text: string): Record<string, string>[] {
  const [names = [], ...records] = parseCsv(text);
  return records.map((record) =>
    Object.fromEntries(names.map((name, index) => [name, record[index] as string])),
  );
}
