// The load generator's own process, so that it shares no event loop with what it measures.
import { once } from 'node:events';
import { ClosedLoop } from './closed-loop.ts';
import type { LoadMessage, LoadPlan, RequestsModule } from './load-plan.ts';

const PROGRESS_EVERY_MS = 200;

// The bench is gone: nobody waits for the figures, so do not go on loading the machine.
process.on('disconnect', () => process.exit(1));

// Ctrl-C reaches the whole group; the bench decides when this process ends.
process.on('SIGINT', () => undefined);

const [plan] = (await once(process, 'message')) as [LoadPlan];
try {
  const factory = (await import(plan.requests.module)) as RequestsModule;
  const loop = new ClosedLoop(plan, await factory.createRequests(plan.requests.options));
  const timer = setInterval(() => tell({ kind: 'progress', progress: loop.progress }), PROGRESS_EVERY_MS);
  const result = await loop.run();
  clearInterval(timer);
  tell({ kind: 'result', result });
} catch (error) {
  tell({ kind: 'failure', reason: error instanceof Error ? error.message : String(error) });
}

function tell(message: LoadMessage): void {
  process.send?.(message);
}
