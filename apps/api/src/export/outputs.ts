import { type FileHandle, open } from 'node:fs/promises';

import { cursorOf } from './complete-rows.js';
import type { ExportOptions } from './export-options.js';
import { ExportFailed } from './export.errors.js';

/** Where the rows go. */
export interface Output {
  /** Behind which row to begin; undefined: with the first. */
  readonly cursor: string | undefined;
  /** False: what comes first is a header row, if the format has one. */
  readonly hasHeader: boolean;
  /** Resolves when the output has taken everything. */
  write(bytes: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

// Longer than any row. A row of a hundred lines with names of 200 characters is far below it.
const TAIL_BYTES = 4_000_000;

/** @throws {ExportFailed} when the file exists and nothing was said about that, or it is none to go on in */
export async function openOutput(options: ExportOptions): Promise<Output> {
  const { output, existing } = options;
  if (output === undefined) return standardOutput(options);
  try {
    if (existing === 'append') return await appendTo(output, options);
    const file = await open(output, existing === 'replace' ? 'w' : 'wx');
    return toFile(file, output, {
      start: 0,
      cursor: options.cursor,
      hasHeader: options.cursor !== undefined,
    });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') {
      throw new ExportFailed(`${output} exists. --append goes on behind its last row, --force replaces it.`, {
        cause: error,
      });
    }
    if (error instanceof ExportFailed || code === undefined) throw error;
    throw new ExportFailed(`${output} cannot be written: ${(error as Error).message}`, { cause: error });
  }
}

/** What an earlier export could not finish, a row that broke off included. */
async function appendTo(path: string, { format }: ExportOptions): Promise<Output> {
  // Not 'a', with which nothing before the end can be written.
  const file = await open(path, 'r+').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    return open(path, 'wx+');
  });
  const { size } = await file.stat();
  const from = Math.max(0, size - TAIL_BYTES);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(size - from), 0, size - from, from);
  const tail = buffer.subarray(0, bytesRead);
  const end = tail.lastIndexOf('\n') + 1;
  if (from === 0 && end === 0) return toFile(file, path, { start: 0, cursor: undefined, hasHeader: false });
  const begin = end < 2 ? 0 : tail.lastIndexOf('\n', end - 2) + 1;
  const cursor = cursorOf(tail.subarray(begin, end).toString(), format);
  // A header row is the first and so the only one.
  if (
    cursor === undefined &&
    !(format === 'csv' && from + begin === 0 && tail.subarray(0, end).includes(',cursor\r\n'))
  ) {
    await file.close();
    throw new ExportFailed(
      `${path} does not end in a row of a ${format} export: there is nothing to go on behind.`,
    );
  }
  return toFile(file, path, { start: from + end, cursor, hasHeader: true });
}

interface Place {
  readonly start: number;
  readonly cursor: string | undefined;
  readonly hasHeader: boolean;
}

function toFile(file: FileHandle, path: string, { start, cursor, hasHeader }: Place): Output {
  let position = start;
  return {
    cursor,
    hasHeader,
    write: async (bytes) => {
      try {
        for (let written = 0; written < bytes.length;) {
          const at = position + written;
          written += (await file.write(bytes, written, bytes.length - written, at)).bytesWritten;
        }
      } catch (error) {
        throw new ExportFailed(`${path} cannot be written: ${(error as Error).message}`, { cause: error });
      }
      position += bytes.length;
    },
    close: async () => {
      // What a full disk has left of a row, now or at another time.
      await file.truncate(position);
      await file.close();
    },
  };
}

function standardOutput({ cursor }: ExportOptions): Output {
  const { stdout } = process;
  // Told by the callback of the write as well.
  stdout.on('error', () => undefined);
  return {
    cursor,
    hasHeader: cursor !== undefined,
    write: (bytes) =>
      new Promise((resolve, reject) => {
        stdout.write(bytes, (error) => {
          if (error) reject(new ExportFailed('The output was closed.', { cause: error }));
          else resolve();
        });
      }),
    close: () => Promise.resolve(),
  };
}
