import { Injectable } from '@nestjs/common';

import type { JobRun } from '../jobs/job-run.js';
import { type RunsJob, ScheduledJob } from '../jobs/scheduled-job.js';

const BATCH_SIZE = 5_000;

// The age is a subquery, because an index is not searched for what a volatile function gives.
const PURGE = `
  DELETE FROM idempotency_keys WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM idempotency_keys WHERE created_at < (SELECT business_now() - interval '24 hours')
    ORDER BY created_at LIMIT $1 FOR UPDATE SKIP LOCKED))`;

/** Forgets answers that no client will ask for again. From then on the key stands for a new request. */
@Injectable()
@ScheduledJob({
  name: 'purge-idempotency-keys',
  cron: '*/10 * * * *',
  leaseSeconds: 60,
  description: 'Forgets idempotency keys that are older than 24 hours.',
})
export class IdempotencyKeyPurge implements RunsJob {
  run(run: JobRun): Promise<void> {
    return run.untilDone(async (manager) => {
      const [, rows] = (await manager.query(PURGE, [BATCH_SIZE])) as [unknown, number];
      return rows;
    });
  }
}
