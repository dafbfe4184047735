import { setTimeout as pause } from 'node:timers/promises';

import { isLoopback } from '@daybook/platform';

import { developmentToken } from '../development-access.js';
import { CompleteRows, cursorOf, type Rows } from './complete-rows.js';
import { type ExportOptions, readOptions, USAGE } from './export-options.js';
import { ExportFailed, ExportInterrupted } from './export.errors.js';
import { openOutput, type Output } from './outputs.js';
import { duration, figure, Progress } from './progress.js';
import { DaybookServer } from './server.js';

const ATTEMPTS = 10;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 20_000;

/**
 * Brings orders from a running server to a file, and goes on by itself when the connection breaks.
 * @param home the folder of the server on this machine, which makes tokens in development
 * @param signal to stop behind a whole row
 * @returns the exit code
 * @throws {ExportFailed}
 */
export async function runExport(
  words: readonly string[],
  home: string,
  signal: AbortSignal,
): Promise<0 | 1 | 130> {
  const options = readOptions(words, process.env);
  if (options === undefined) {
    process.stdout.write(USAGE);
    return 0;
  }
  const isLocal = isLoopback(options.url.hostname.replaceAll(/[[\]]/g, ''));
  const token = options.token ?? (isLocal ? await developmentToken(home) : undefined);
  const server = new DaybookServer(options.url, token, signal);
  // Asked first, so that what would be refused is refused before there is a file.
  const total = await server.estimate(options.list);
  const output = await openOutput(options);
  const transfer = new Transfer(server, options, output, output.cursor === undefined ? total : undefined);
  try {
    await transfer.run(signal);
    transfer.say(`${transfer.summary}.`);
    return 0;
  } catch (error) {
    if (!signal.aborted && !(error instanceof ExportFailed)) throw error;
    if (!signal.aborted) transfer.say((error as Error).message);
    transfer.say(`${signal.aborted ? 'Stopped' : 'Given up'}: ${transfer.summary}.${transfer.howToGoOn}`);
    return signal.aborted ? 130 : 1;
  } finally {
    await output.close();
  }
}

/** Rows on their way from the server to the output. */
class Transfer {
  private readonly progress: Progress;
  private rows = 0;
  private cursor: string | undefined;
  private hasHeader: boolean;

  constructor(
    private readonly server: DaybookServer,
    private readonly options: ExportOptions,
    private readonly output: Output,
    total: number | undefined,
  ) {
    this.progress = new Progress(total);
    this.cursor = output.cursor;
    this.hasHeader = output.hasHeader || options.format === 'ndjson';
  }

  /** As often as it takes, as long as each time brings something; a bounded number of times in vain. */
  async run(signal: AbortSignal): Promise<void> {
    for (let failures = 0; ;) {
      const before = this.rows;
      try {
        await this.receive();
        return;
      } catch (error) {
        if (signal.aborted || !(error instanceof ExportInterrupted)) throw error;
        failures = this.rows > before ? 1 : failures + 1;
        if (failures === ATTEMPTS) throw error;
        this.progress.pause(`${error.message} Trying again.`);
        await pause(pauseBefore(failures, error), undefined, { signal });
      }
    }
  }

  get summary(): string {
    const { seconds } = this.progress;
    const to = this.options.output === undefined ? '' : ` to ${this.options.output}`;
    const speed = seconds > 0 ? ` (${figure(this.rows / seconds)} a second)` : '';
    return `${figure(this.rows)} orders in ${duration(seconds)}${speed}${to}`;
  }

  get howToGoOn(): string {
    const inFile = this.options.output === undefined ? '' : ' The same with --append goes on in the file.';
    if (this.cursor === undefined) return inFile;
    // With an equals sign: a cursor may begin with a dash.
    return `${inFile} Anywhere else, this goes on right behind the last row:\n  --cursor=${this.cursor}`;
  }

  say(line: string): void {
    this.progress.end();
    process.stderr.write(`${line}\n`);
  }

  /** One connection, from where the last one ended. */
  private async receive(): Promise<void> {
    const { format, list } = this.options;
    const rows = new CompleteRows(format);
    const place: [string, string][] = this.cursor === undefined ? [] : [['cursor', this.cursor]];
    let isHeaderExpected = format === 'csv' && this.cursor === undefined;
    for await (const chunk of this.server.export(
      new URLSearchParams([...list, ['format', format], ...place]),
    )) {
      let arrived = rows.add(chunk);
      const [end] = arrived.ends;
      if (end === undefined) continue;
      if (isHeaderExpected) {
        if (!this.hasHeader) await this.output.write(arrived.bytes.subarray(0, end));
        this.hasHeader = true;
        isHeaderExpected = false;
        arrived = withoutFirst(arrived, end);
      }
      await this.pass(arrived);
    }
    if (rows.isWithinRow) throw new ExportInterrupted('The server ended in the middle of a row.');
  }

  private async pass({ bytes, ends }: Rows): Promise<void> {
    if (ends.length === 0) return;
    await this.output.write(bytes);
    const last = bytes.subarray(ends.at(-2) ?? 0).toString();
    const cursor = cursorOf(last, this.options.format);
    if (cursor === undefined)
      throw new ExportFailed(`The server sent a row without a cursor: ${last.slice(0, 200)}`);
    this.cursor = cursor;
    this.rows += ends.length;
    this.progress.update(this.rows);
  }
}

function withoutFirst({ bytes, ends }: Rows, end: number): Rows {
  return { bytes: bytes.subarray(end), ends: ends.slice(1).map((at) => at - end) };
}

/** Twice as long each time, never the same for everybody, and at least what the server asks for. */
function pauseBefore(attempt: number, { retryAfterSeconds }: ExportInterrupted): number {
  const longest = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** attempt);
  return Math.max(retryAfterSeconds * 1_000, longest / 2 + Math.random() * (longest / 2));
}
