import { once } from 'node:events';

import type { ExchangeGateway } from '../exchange-gateway.js';
import type { ExecutionReport } from '../execution-report.js';

const UNAVAILABLE = { kind: 'unavailable', reason: 'No venue is configured' } as const;

/** Stands where a venue would be, while none is configured. */
export class NoVenue implements ExchangeGateway {
  readonly venue = 'NONE';

  place(): Promise<typeof UNAVAILABLE> {
    return Promise.resolve(UNAVAILABLE);
  }

  cancel(): Promise<typeof UNAVAILABLE> {
    return Promise.resolve(UNAVAILABLE);
  }

  find(): Promise<typeof UNAVAILABLE> {
    return Promise.resolve(UNAVAILABLE);
  }

  /** Nothing ever comes. */
  async *reports(_after: number, signal: AbortSignal): AsyncGenerator<readonly ExecutionReport[], void> {
    if (!signal.aborted) await once(signal, 'abort');
    yield* [];
  }
}
