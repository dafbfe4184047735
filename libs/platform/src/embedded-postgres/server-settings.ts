import { runProgram, type ServerAccount } from './run-program.js';
import type { ServerBinaries } from './server-binaries.js';

/** PostgreSQL's settings by name. The values are spelled as `current_setting()` shows them: they are compared. */
export type ServerSettings = Readonly<Record<string, string>>;

export interface SettingsOptions {
  /** False trades safety against a power failure for speed: for tests only. */
  readonly durable: boolean;
  readonly maxConnections: number;
}

/** The settings of every start. They go on the command line, so that an old cluster gets new ones, too. */
export async function serverSettings(
  options: SettingsOptions,
  binaries: ServerBinaries,
  dataDirectory: string,
  account: ServerAccount,
): Promise<ServerSettings> {
  const safety = options.durable ? 'on' : 'off';
  return {
    listen_addresses: '127.0.0.1',
    // The path of a socket may have 107 bytes at most, which a checkout in a deep directory exceeds. TCP has no limit.
    unix_socket_directories: '',
    max_connections: String(options.maxConnections),
    fsync: safety,
    full_page_writes: safety,
    synchronous_commit: 'on',
    shared_buffers: '256MB',
    // Checkpoints far apart: after each one, the first change to a page writes the whole page to the log.
    checkpoint_timeout: '15min',
    max_wal_size: '4GB',
    // Without lz4 better none: pglz saves half the volume, but makes random updates four times slower.
    wal_compression: (await supportsLz4(binaries, dataDirectory, account)) ? 'lz4' : 'off',
    // Its statements are short: compiling one costs more than it saves.
    jit: 'off',
    TimeZone: 'UTC',
    log_timezone: 'UTC',
    // Daybook looks for some messages in the log, so they must be in English.
    lc_messages: 'C',
  };
}

/** Builds differ from platform to platform, and a server refuses to start on a method that it does not know. */
async function supportsLz4(
  binaries: ServerBinaries,
  dataDirectory: string,
  account: ServerAccount,
): Promise<boolean> {
  const question = ['-C', 'wal_compression', '-c', 'wal_compression=lz4', '-D', dataDirectory];
  return (await runProgram(binaries.postgres, question, account)).exitCode === 0;
}
