import { copyFile, open, stat, truncate, type FileHandle } from 'node:fs/promises';

import { isSystemError } from './embedded-postgres.errors.js';
import type { ServerAccount } from './run-program.js';

const ROTATE_ABOVE_BYTES = 16 * 1024 * 1024;

/**
 * The file that takes the server's messages. The server holds it open, so it cannot be renamed away: what grew too
 * long is copied to `<file>.1` and cut to nothing, which works because the server appends. Two files bound it.
 */
export class ServerLog {
  constructor(readonly path: string) {}

  /** Opens the file for a server to inherit; the caller closes its own handle. */
  async open(account: ServerAccount): Promise<FileHandle> {
    const file = await open(this.path, 'a', 0o600);
    if (account) await file.chown(account.uid, account.gid);
    return file;
  }

  async rotate(): Promise<void> {
    if ((await this.size()) <= ROTATE_ABOVE_BYTES) return;
    await copyFile(this.path, `${this.path}.1`);
    await truncate(this.path);
  }

  async size(): Promise<number> {
    try {
      return (await stat(this.path)).size;
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) return 0;
      throw error;
    }
  }

  /** What was written since the file had this size, or the last few kilobytes of it. */
  async since(position: number): Promise<string> {
    const size = await this.size();
    const start = Math.max(Math.min(position, size), size - 4096);
    const file = await open(this.path, 'r');
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(size - start), 0, size - start, start);
      return buffer.toString('utf8', 0, bytesRead).trim();
    } finally {
      await file.close();
    }
  }
}
