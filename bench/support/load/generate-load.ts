import { fork } from 'node:child_process';
import { once } from 'node:events';
import { owned } from '../lifetime.ts';
import type { LoadMessage, LoadPlan, LoadProgress, LoadResult } from './load-plan.ts';

/** Runs one plan in a process of its own and answers its figures. */
export async function generateLoad(
  plan: LoadPlan,
  onProgress: (progress: LoadProgress) => void = () => undefined,
): Promise<LoadResult> {
  const child = fork(new URL('load-process.ts', import.meta.url), {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const exited = once(child, 'exit');
  const stop = owned(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  try {
    const { promise, resolve, reject } = Promise.withResolvers<LoadResult>();
    child.on('message', (message: LoadMessage) => {
      if (message.kind === 'progress') onProgress(message.progress);
      else if (message.kind === 'result') resolve(message.result);
      else reject(new Error(`load generator: ${message.reason}`));
    });
    child.on('exit', () => reject(new Error('the load generator ended before it had a result')));
    child.send(plan);
    return await promise;
  } finally {
    await stop();
  }
}
