import { setImmediate as turn } from 'node:timers/promises';

import { Logger } from '@nestjs/common';

import { stretchOf } from '../../../../test/support/execution-stretches.js';
import { type PartCompany, PartWorker } from './part-worker.js';

const { jest } = import.meta;

describe('a part whose stream has a gap', () => {
  it('is waited for without keeping others from their work', async () => {
    const warning = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    let working = 0;
    const told = Promise.withResolvers<number>();
    const company = {
      venue: 'XSIM',
      bus: { take: async () => [stretchOf(3, 10, 20)] },
      offsets: {
        read: async () => [],
        noteLost: async (_venue: string, _partition: number, applied: number) => told.resolve(applied),
      },
      inTurn: async <T>(work: () => Promise<T>) => {
        working += 1;
        return work().finally(() => (working -= 1));
      },
    } as unknown as PartCompany;
    const worker = new PartWorker(
      3,
      { name: 'a part', fence: '1', leaseSeconds: 5 },
      company,
      () => undefined,
    );
    expect(await told.promise).toBe(0);
    await turn();
    expect(working).toBe(0);
    worker.stop();
    await worker.ended;
    warning.mockRestore();
  });
});
