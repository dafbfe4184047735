import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

import type { ExecutionReport } from '@daybook/exchange';
import { projectRoot } from '@daybook/platform';
import { WebSocket } from 'ws';

import { SimulatedVenue } from './exchange-simulator.js';

/** The simulated venue in a process of its own. Needs `npm run build`. */
export class VenueProcess extends SimulatedVenue {
  private constructor(
    url: string,
    private readonly child: ChildProcess,
  ) {
    super(url);
  }

  /** @param keepReports at least so many can be replayed */
  static async start(seed: number, keepReports: number): Promise<VenueProcess> {
    const program = join(projectRoot(), 'dist/apps/exchange-simulator/main.js');
    const child = spawn(process.execPath, [program], {
      env: {
        PATH: process.env['PATH'],
        EXCHANGE_SIMULATOR_PORT: '0',
        EXCHANGE_SIMULATOR_SEED: String(seed),
        EXCHANGE_SIMULATOR_KEEP_REPORTS: String(keepReports),
      },
      // By the channel it notices when this process is gone.
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const told = once(child, 'message') as Promise<[{ url: string }]>;
    const ended = once(child, 'exit').then(([code]) =>
      Promise.reject(new Error(`The simulated venue ended with ${code} before it listened`)),
    );
    const [{ url }] = await Promise.race([told, ended]);
    ended.catch(() => undefined);
    return new VenueProcess(url, child);
  }

  /** Everything that it has reported, in order; as long as it is not told to be faulty. */
  async reports(): Promise<ExecutionReport[]> {
    const { reports: last } = await this.counts();
    const socket = new WebSocket(`${this.url.replace('http', 'ws')}/executions?after=0`);
    const reports: ExecutionReport[] = [];
    await new Promise<void>((resolve, reject) => {
      socket.on('message', (frame: Buffer) => {
        for (const report of JSON.parse(frame.toString()) as ExecutionReport[]) reports.push(report);
        if (reports.length >= last) resolve();
      });
      socket.on('error', reject);
      socket.on('close', () => reject(new Error(`The venue has sent ${reports.length} of ${last} reports`)));
      if (last === 0) resolve();
    });
    socket.terminate();
    const isWhole = reports.every(({ sequence }, index) => sequence === index + 1);
    if (!isWhole) throw new Error('What the venue has replayed is not what it has reported');
    return reports;
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await ended;
  }
}
