import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { ServerLog } from './server-log.js';

describe("the server's log", () => {
  it('stays within two files while the server keeps it open, and loses nothing that was just written', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'daybook-log-'));
    const log = new ServerLog(join(directory, 'postgres.log'));
    const server = await log.open(undefined);
    try {
      await server.write(Buffer.alloc(17 * 1024 * 1024, 'x\n'));
      await log.rotate();
      await server.write('FATAL:  after\n');
      await log.rotate();

      expect(await log.since(0)).toBe('FATAL:  after');
      expect((await stat(`${log.path}.1`)).size).toBe(17 * 1024 * 1024);
    } finally {
      await server.close();
      await rm(directory, { recursive: true });
    }
  });
});
