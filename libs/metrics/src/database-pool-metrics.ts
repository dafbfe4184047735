import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { Gauge, Registry } from 'prom-client';
import { DataSource } from 'typeorm';
import type { PostgresDriver } from 'typeorm/driver/postgres/PostgresDriver.js';

import { BoundedReads } from '@daybook/platform';

/** Whether there are connections enough for what this process does, and for the lists it reads. */
@Injectable()
export class DatabasePoolMetrics {
  constructor(@Inject(DataSource) database: DataSource, lists: BoundedReads, registry: Registry) {
    const registers = [registry];
    const pools = (): [name: string, pool: Pool][] => [
      ['main', (database.driver as PostgresDriver).master as Pool],
      ['lists', lists.pool],
    ];
    new Gauge({
      name: 'daybook_database_pool_connections',
      help: 'How many connections to the database this process has open, by what they are for and whether they are in use.',
      labelNames: ['pool', 'state'],
      registers,
      collect() {
        for (const [pool, { totalCount, idleCount }] of pools()) {
          this.set({ pool, state: 'busy' }, totalCount - idleCount);
          this.set({ pool, state: 'idle' }, idleCount);
        }
      },
    });
    new Gauge({
      name: 'daybook_database_pool_connections_max',
      help: 'How many connections to the database this process may have open.',
      labelNames: ['pool'],
      registers,
      collect() {
        for (const [pool, { options }] of pools()) this.set({ pool }, options.max);
      },
    });
    new Gauge({
      name: 'daybook_database_pool_waiting',
      help: 'How many transactions and queries wait for a connection now.',
      labelNames: ['pool'],
      registers,
      collect() {
        for (const [pool, { waitingCount }] of pools()) this.set({ pool }, waitingCount);
      },
    });
  }
}
