import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';

import {
  createPino,
  type DaybookConfig,
  isTracing,
  NotFound,
  PinoLogger,
  ProblemDetailsFilter,
  ServerAdapter,
  traceRequests,
} from '@daybook/platform';

import { AppModule } from './app.module.js';
import { serveApiDocs } from './api-docs.js';
import { admitOnlyThisMachine } from './development-access.js';

export type ReadyConfig = DaybookConfig & { readonly databaseUrl: string };

/**
 * The whole application, migrated and ready to listen.
 * @param developmentToken with it, Swagger UI is already authorised, and only this machine is let in
 */
export async function createApp(
  config: ReadyConfig,
  developmentToken?: string,
): Promise<NestFastifyApplication> {
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule.forRoot(config),
    new ServerAdapter(new ProblemDetailsFilter()),
    { logger: new PinoLogger(createPino(config.logLevel)), abortOnError: false },
  );
  if (isTracing()) traceRequests(app.getHttpAdapter().getInstance());
  if (developmentToken !== undefined) admitOnlyThisMachine(app);
  // Two routes end in `metrics`: that of Prometheus is outside the base path, the other has it in its own.
  app.setGlobalPrefix('api/v1', { exclude: ['health/live', 'health/ready', 'metrics', 'api/v1/metrics'] });
  if (config.roles.includes('api')) serveApiDocs(app, developmentToken);
  else serveOperatorsOnly(app);
  try {
    await app.init();
  } catch (error) {
    await app.close();
    throw error;
  }
  return app;
}

/** A worker or scheduler answers its health checks, tells its metrics, and nothing else. */
function serveOperatorsOnly(app: NestFastifyApplication): void {
  app
    .getHttpAdapter()
    .getInstance()
    .addHook('onRequest', (request, _reply, done) => {
      if (/^\/(health\/|metrics(\?|$))/.test(request.url)) done();
      else done(new NotFound('There is nothing here.'));
    });
}
