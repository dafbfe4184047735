import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

import { MetricsSection, type ReadsMetricsSection } from '@daybook/platform';

// Those that are overdue hold nothing, whether or not that is written down yet. As many rows as there are holds open.
const COUNT = `
  SELECT count(*)::float8 AS active FROM reservations
  WHERE status = 'active' AND expires_at > (SELECT business_now())`;

@Injectable()
@MetricsSection('reservations')
export class ReservationMetrics implements ReadsMetricsSection {
  async readSection(manager: EntityManager) {
    const [counts] = (await manager.query(COUNT)) as [{ active: number }];
    return counts;
  }
}
