import { dataSourceOptions } from '@daybook/platform';
import { DataSource } from 'typeorm';

import { brokenOnes, examine, type Finding } from '../../apps/api/src/doctor/examine.js';

/** What the doctor finds wrong with a database; empty when everything holds. */
export async function findingsIn(url: string, businessTimezone = 'UTC'): Promise<Finding[]> {
  const database = await new DataSource(dataSourceOptions(url, 1)).initialize();
  try {
    return brokenOnes(await examine(database, { businessTimezone }));
  } finally {
    await database.destroy();
  }
}

/** Every test that loads, crashes or races ends with this. */
export async function expectHealthy(url: string, businessTimezone = 'UTC'): Promise<void> {
  const findings = await findingsIn(url, businessTimezone);
  if (findings.length === 0) return;
  const words = findings.map(({ check, discrepancies, examples }) =>
    [`${check}: ${discrepancies}`, ...examples].join('\n    '),
  );
  throw new Error(`The doctor found discrepancies:\n  ${words.join('\n  ')}`);
}
