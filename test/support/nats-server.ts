import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';

/** Where Debian's package puts it, which an ordinary user may not have on the path. */
const FOLDERS = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];

/** The nats-server of this machine; undefined when there is none. */
export function findNatsServer(): string | undefined {
  return FOLDERS.map((folder) => join(folder, 'nats-server')).find((path) => existsSync(path));
}

/** `describe`, if there is a nats-server on this machine; otherwise the tests are reported as skipped, and why. */
export function describeWithNats(): jest.Describe {
  if (findNatsServer() !== undefined) return describe;
  process.stderr.write(
    'There is no nats-server on this machine: its tests are skipped. Debian has it in the package nats-server.\n',
  );
  return describe.skip;
}

/** A NATS server with JetStream in a process of its own, on a port and a disk of its own. */
export class NatsServer {
  private child: ChildProcess | undefined;
  private port = 0;
  private said = '';
  private disk = 0;

  private constructor(
    private readonly program: string,
    private readonly folder: string,
    private readonly settings: string,
  ) {
    // It must not outlive the tests, however they end.
    process.once('exit', this.end);
  }

  /** @param settings what its configuration says besides */
  static async start(settings = ''): Promise<NatsServer> {
    const program = findNatsServer();
    if (program === undefined) throw new Error('There is no nats-server on this machine');
    const server = new NatsServer(program, await mkdtemp(join(tmpdir(), 'daybook-nats-')), settings);
    await server.restart();
    return server;
  }

  /** The same after every restart. */
  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  /** What it has written since it was started last. */
  get output(): string {
    return this.said;
  }

  /** kill -9. */
  async kill(): Promise<void> {
    const { child } = this;
    if (child === undefined) return;
    this.child = undefined;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  /** Stands still, and answers nobody, until it is resumed. */
  pause(): void {
    this.child?.kill('SIGSTOP');
  }

  resume(): void {
    this.child?.kill('SIGCONT');
  }

  /** On the disk that it had, or on a new one. */
  async restart(disk: 'same' | 'new' = 'same'): Promise<void> {
    await this.kill();
    if (disk === 'new') this.disk += 1;
    const file = await this.configure();
    this.said = '';
    const child = spawn(this.program, ['--config', file], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.child = child;
    const exited = once(child, 'exit');
    const ready = new Promise<void>((resolve) => {
      child.stderr.on('data', (chunk: Buffer) => {
        this.said += chunk.toString();
        if (this.said.includes('Server is ready')) resolve();
      });
    });
    await Promise.race([
      ready,
      exited.then(() => Promise.reject(new Error(`nats-server ended before it was ready:\n${this.said}`))),
    ]);
    this.port = Number(/Listening for client connections on \S+:(\d+)/.exec(this.said)?.[1]);
  }

  /** Removes the messages of all streams, and nothing else. */
  async empty(): Promise<void> {
    const connection = await connect({ servers: new URL(this.url).host });
    try {
      const { streams } = await jetstreamManager(connection);
      for (const name of await streams.names().next()) await streams.purge(name);
    } finally {
      await connection.close();
    }
  }

  async close(): Promise<void> {
    await this.kill();
    process.off('exit', this.end);
    await rm(this.folder, { recursive: true, force: true });
  }

  private readonly end = (): void => {
    this.child?.kill('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  };

  /**
   * Writes the configuration. That every message is flushed to disk before it is acknowledged can be asked for from version
   * 2.10 on; an older server keeps through its own death what it has acknowledged, not through that of the machine.
   */
  private async configure(): Promise<string> {
    const file = join(this.folder, 'nats-server.conf');
    for (const sync of ['sync_interval: always', '']) {
      const store = join(this.folder, `disk-${this.disk}`);
      // -1: any port that is free.
      await writeFile(
        file,
        `listen: "127.0.0.1:${this.port === 0 ? -1 : this.port}"\njetstream {\n  store_dir: "${store}"\n  ${sync}\n}\n${this.settings}\n`,
      );
      if (spawnSync(this.program, ['--config', file, '-t']).status === 0) return file;
    }
    throw new Error(`nats-server does not take the configuration in ${file}`);
  }
}
