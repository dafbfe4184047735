import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { projectRoot } from '@daybook/platform';

interface Started {
  readonly child: ChildProcess;
  readonly url: string;
}

let folder: string;
let children: ChildProcess[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'exchange-simulator-'));
});
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  children = [];
  await rm(folder, { recursive: true });
});

/** Needs `npm run build`. */
async function start(): Promise<Started> {
  const program = join(projectRoot(), 'dist/apps/exchange-simulator/main.js');
  const child = spawn(process.execPath, [program], {
    env: {
      EXCHANGE_SIMULATOR_PORT: '0',
      EXCHANGE_SIMULATOR_STATE_FILE: join(folder, 'state.ndjson'),
    },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  children.push(child);
  const [{ url }] = (await once(child, 'message')) as [{ url: string }];
  return { child, url };
}

describe('the state of a simulator', () => {
  it('is that of one process, however many start at once where one was killed', async () => {
    const { child: killed } = await start();
    const ended = once(killed, 'exit');
    killed.kill('SIGKILL');
    await ended;
    const started = await Promise.all(Array.from({ length: 6 }, start));
    expect(new Set(started.map(({ url }) => url)).size).toBe(1);
  });
});
