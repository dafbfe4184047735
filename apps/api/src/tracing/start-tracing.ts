import { enableTracing, type TracingConfig } from '@daybook/platform';

import type { Tracing } from './sdk.js';

/**
 * Before the application is made. The packages of OpenTelemetry's SDK are loaded only if they are needed.
 * @param config undefined: nothing is traced
 */
export async function startTracing(config: TracingConfig | undefined): Promise<Tracing | undefined> {
  if (config === undefined) return undefined;
  const { startSdk } = await import('./sdk.js');
  const tracing = startSdk(config);
  enableTracing();
  return tracing;
}
