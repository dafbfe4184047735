import { ORDER_PROCESSOR, type OrderProcessor } from '@daybook/processing';

import type { TestApp } from './app.js';

/** From now on the workers of this application process orders like this. */
export function processWith({ app }: TestApp, process: OrderProcessor['process']): void {
  const processor = app.get<{ process: OrderProcessor['process'] }>(ORDER_PROCESSOR, { strict: false });
  processor.process = process;
}
