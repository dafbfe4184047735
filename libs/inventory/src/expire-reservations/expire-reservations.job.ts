import { CommandBus } from '@nestjs/cqrs';

import { type JobRun, type RunsJob, ScheduledJob } from '@daybook/platform';

import { ExpireReservations } from './expire-reservations.command.js';

// Their stock is locked for some milliseconds. Both measured by `npm run bench:cleanup`: orders hardly notice.
const BATCH_SIZE = 250;
const SHARE = 1 / 4;

/** Takes what all wake-ups have missed: after a crash, or after a time without any scheduler. */
@ScheduledJob({
  name: 'expire-reservations',
  cron: '* * * * *',
  leaseSeconds: 30,
  description: 'Expires overdue reservations that were not expired when they were due.',
})
export class ExpireReservationsJob implements RunsJob {
  constructor(private readonly commands: CommandBus) {}

  async run(run: JobRun): Promise<void> {
    const step = () =>
      this.commands.execute(
        new ExpireReservations(BATCH_SIZE, run.context, {
          beforeCommit: (manager, expired) => run.hold(manager, expired),
        }),
      );
    await run.repeat(step, { share: SHARE });
  }
}
