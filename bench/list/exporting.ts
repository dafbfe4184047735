import type { HttpContender } from '../placement/http-contenders.ts';
import { countOrders } from '../support/books.ts';
import { residentMegabytes } from '../support/resident-memory.ts';
import { showProgress } from '../support/terminal.ts';
import { operatorToken, pageOf, pathOf, Reader } from './reader.ts';

const SAMPLE_EVERY_MS = 50;
const WARM_UP_PAGES = 200;
const NEWLINE = 10;

export interface ExportFigures {
  readonly rows: number;
  readonly seconds: number;
  readonly rowsPerSecond: number;
  readonly megabytes: number;
  /** Resident memory of the server before, and the most of it meanwhile. */
  readonly memoryBefore: number;
  readonly memoryAtMost: number;
}

/**
 * Downloads all orders while the server's memory is watched.
 * @returns undefined when there is no export
 */
export async function measureExport(daybook: HttpContender): Promise<ExportFigures | undefined> {
  const expected = await countOrders(daybook.database);
  const server = await daybook.start();
  const reader = await Reader.on(server.url);
  // A server that has just started grows by itself.
  for (let page = 0; page < WARM_UP_PAGES; page++) pageOf(await reader.read(pathOf({}, 200)));
  reader.close();
  const memoryBefore = residentMegabytes(server.processId);
  let memoryAtMost = memoryBefore;
  const timer = setInterval(() => {
    memoryAtMost = Math.max(memoryAtMost, residentMegabytes(server.processId));
  }, SAMPLE_EVERY_MS);
  try {
    const begin = performance.now();
    const answer = await fetch(`${server.url}/api/v1/orders/export`, {
      headers: { authorization: `Bearer ${await operatorToken()}`, accept: 'application/x-ndjson' },
    });
    if (answer.status === 404) return undefined;
    if (answer.status !== 200 || answer.body === null)
      throw new Error(`the export was answered ${answer.status}: ${await answer.text()}`);
    const { rows, bytes } = await count(answer.body);
    const seconds = (performance.now() - begin) / 1000;
    if (rows !== expected) throw new Error(`${rows} of ${expected} orders were exported`);
    const megabytes = bytes / 2 ** 20;
    return { rows, seconds, rowsPerSecond: rows / seconds, megabytes, memoryBefore, memoryAtMost };
  } finally {
    clearInterval(timer);
    await server.stop();
  }
}

async function count(body: ReadableStream<Uint8Array>): Promise<{ rows: number; bytes: number }> {
  let rows = 0;
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, at + 1)) rows++;
    showProgress(`${rows.toLocaleString('en-US')} orders exported …`);
  }
  return { rows, bytes };
}
