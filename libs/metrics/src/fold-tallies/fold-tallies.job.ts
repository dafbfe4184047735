import { Injectable } from '@nestjs/common';

import { type JobRun, type RunsJob, ScheduledJob } from '@daybook/platform';

import { foldAll } from '../order-totals.js';

/** Keeps what whoever reads the figures has to add up to the tallies of a minute. */
@Injectable()
@ScheduledJob({
  name: 'fold-order-tallies',
  cron: '* * * * *',
  leaseSeconds: 60,
  description: 'Adds what has happened to orders to the totals, so that figures stay cheap to read.',
})
export class FoldTallies implements RunsJob {
  run(run: JobRun): Promise<void> {
    return foldAll(run);
  }
}
