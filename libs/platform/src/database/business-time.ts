import type { EntityManager } from 'typeorm';

import { read } from './transaction.js';

const NOW = `SELECT date_trunc('milliseconds', business_now()) AS now`;

/** Now by the database clock, to the millisecond: the time every stored change carries. */
export async function businessNow(manager: EntityManager): Promise<Date> {
  const [row] = await read<{ now: Date }>(manager, 'business-now', NOW, []);
  return (row as { now: Date }).now;
}
