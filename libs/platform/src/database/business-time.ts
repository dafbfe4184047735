import type { EntityManager } from 'typeorm';

/** Now by the database clock, to the millisecond: the time every stored change carries. */
export async function businessNow(manager: EntityManager): Promise<Date> {
  const [row] = (await manager.query(`SELECT date_trunc('milliseconds', business_now()) AS now`)) as [
    { now: Date },
  ];
  return row.now;
}
