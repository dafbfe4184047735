import { setTimeout as pause } from 'node:timers/promises';

import type { NestFastifyApplication } from '@nestjs/platform-fastify';

import { ExecutionConsumer, ExecutionReceiver } from '@daybook/exchange';
import { JobScheduler, Readiness, StreamedAnswers, WritePath } from '@daybook/platform';
import { OrderWorker } from '@daybook/processing';

const FAREWELL_MS = 1_000;
const LOOK_EVERY_MS = 20;

/** Prepares the server for {@link stopGracefully}: from then on every answer asks the client to close its connection. */
export function announceClosing(app: NestFastifyApplication): void {
  const readiness = app.get(Readiness);
  app
    .getHttpAdapter()
    .getInstance()
    .addHook('onSend', (_request, reply, _payload, done) => {
      if (readiness.isStopping) void reply.header('connection', 'close');
      done();
    });
}

/**
 * Stops without cutting anything off but files that would take minutes, whose clients can go on where they ended. Closing
 * at once would reset connections on which a request is just arriving; so for a moment every request is still answered,
 * its connection closed behind it, and only then the idle ones are.
 */
export async function stopGracefully(app: NestFastifyApplication): Promise<void> {
  app.get(Readiness).isStopping = true;
  // Their batches end meanwhile. What they have asked the write path for must still be accepted.
  const workEnded = Promise.all([
    app.get(JobScheduler).drain(),
    app.get(OrderWorker).drain(),
    app.get(ExecutionReceiver).drain(),
    app.get(ExecutionConsumer).drain(),
  ]);
  const server = app.getHttpServer();
  const openConnections = () =>
    new Promise<number>((resolve, reject) =>
      server.getConnections((error: Error | null, count: number) => (error ? reject(error) : resolve(count))),
    );
  const until = performance.now() + FAREWELL_MS;
  while (performance.now() < until && (await openConnections()) > 0) await pause(LOOK_EVERY_MS);
  app.get(StreamedAnswers).cutOff();
  await app.getHttpAdapter().close();
  await workEnded;
  await app.get(WritePath).drain();
  await app.close();
}
