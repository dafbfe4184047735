import { Inject } from '@nestjs/common';

import { CONFIG, type DaybookConfig, type JobRun, type RunsJob, ScheduledJob } from '@daybook/platform';

// The id begins with the milliseconds of its making, so the primary key serves. Ended ones only: whatever is still
// written down as active has an expiry to be written down first.
const PURGE = `
  WITH clock AS (
    SELECT lpad(to_hex((extract(epoch FROM business_now() - make_interval(days => $1)) * 1000)::bigint), 12, '0') AS ms),
  old AS (
    SELECT id FROM reservations
    WHERE id < (SELECT (ms || repeat('0', 20))::uuid FROM clock) AND status <> 'active'
    ORDER BY id LIMIT 1000 FOR UPDATE SKIP LOCKED),
  purged AS (DELETE FROM reservations USING old WHERE reservations.id = old.id RETURNING 1)
  SELECT count(*)::int AS count FROM purged`;

/** The journal goes on telling what became of them; their orders name them. */
@ScheduledJob({
  name: 'purge-reservations',
  cron: '17 3 * * *',
  leaseSeconds: 60,
  description: 'Deletes reservations that ended long ago (RESERVATION_RETENTION_DAYS).',
})
export class PurgeReservations implements RunsJob {
  constructor(@Inject(CONFIG) private readonly config: DaybookConfig) {}

  async run(run: JobRun): Promise<void> {
    await run.untilDone(async (manager) => {
      const [{ count }] = (await manager.query(PURGE, [this.config.reservationRetentionDays])) as [
        { count: number },
      ];
      return count;
    });
  }
}
