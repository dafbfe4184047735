import { mkdir, writeFile } from 'node:fs/promises';
import { say } from './terminal.ts';

const RESULTS = new URL('../results/', import.meta.url);

/** Keeps the last run of a benchmark: its figures as JSON, its charts as SVG. */
export async function keepResults(
  name: string,
  figures: object,
  charts: Record<string, string>,
): Promise<void> {
  await mkdir(RESULTS, { recursive: true });
  const files = { [`${name}.json`]: `${JSON.stringify(figures, withoutAddresses, 2)}\n`, ...charts };
  for (const [file, text] of Object.entries(files)) await writeFile(new URL(file, RESULTS), text);
  say(`\nkept in bench/results: ${Object.keys(files).join(', ')}`);
}

/** The address of a server has a password in it, and is gone by the time anybody reads the results. */
function withoutAddresses(key: string, value: unknown): unknown {
  return key === 'url' ? undefined : value;
}
