import { Injectable, type OnModuleInit } from '@nestjs/common';

import { PartitionRetention } from '@daybook/platform';

/** The setting that tells up to which position entries may be gone with their months. */
export const JOURNAL_DETACHED_TO = 'journal_detached_to';

/** Remembers where the journal begins when its first months are detached, for readers that have not got so far. */
@Injectable()
export class JournalBeginning implements OnModuleInit {
  constructor(private readonly retention: PartitionRetention) {}

  onModuleInit(): void {
    // The name of the month comes from the database's own catalogue.
    this.retention.recordLeaving('journal', async (month, manager) => {
      await manager.query(`
        INSERT INTO settings AS known (name, value)
        SELECT '${JOURNAL_DETACHED_TO}', max(position)::text FROM ${month} HAVING max(position) IS NOT NULL
        ON CONFLICT (name) DO UPDATE SET value = greatest(known.value::bigint, excluded.value::bigint)::text`);
    });
  }
}
