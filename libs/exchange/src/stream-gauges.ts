import { Inject, Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';

import { DatabaseGauges, type GaugeReading, type ReadsGauges } from '@daybook/platform';

import { EXCHANGE_GATEWAY, type ExchangeGateway } from './exchange-gateway.js';

const LAG_REPORTS = {
  name: 'daybook_exchange_stream_lag_reports',
  help: 'How many execution reports have been received and are not applied, at most; 0 when all are.',
};
const LAG_SECONDS = {
  name: 'daybook_exchange_stream_lag_seconds',
  help: 'How long ago the oldest execution report was received that is not applied, to the second; 0 when all are.',
};
const STANDSTILL = {
  name: 'daybook_exchange_stream_standstill_seconds',
  help: 'How long ago the stream of execution reports was last read with nothing missing, and passed on, to the second.',
};
const PARKED = {
  name: 'daybook_exchange_reports_parked',
  help: 'How many execution reports wait for their order to become known, counted up to 100,000.',
};
const QUARANTINED = {
  name: 'daybook_exchange_reports_quarantined',
  help: 'How many execution reports could not be applied and wait for a person, counted up to 100,000.',
};

const READ = `
  SELECT coalesce(max(received - applied), 0)::float8 AS reports, coalesce(max(seconds), 0)::float8 AS seconds,
    (SELECT extract(epoch FROM (SELECT business_now()) - flowing_at)::float8 FROM execution_streams
      WHERE venue = $1) AS standstill,
    (SELECT count(*)::int FROM (SELECT FROM parked_executions LIMIT 100000) AS parked) AS parked,
    (SELECT count(*)::int FROM (SELECT FROM quarantined_executions LIMIT 100000) AS quarantined) AS quarantined
  FROM execution_streams stream
  CROSS JOIN LATERAL (
    SELECT min(applied) AS applied FROM execution_offsets part WHERE part.venue = stream.venue) AS slowest
  CROSS JOIN LATERAL (
    SELECT extract(epoch FROM (SELECT business_now()) - min(received_at)) AS seconds FROM execution_marks mark
    WHERE mark.venue = stream.venue AND mark.sequence > slowest.applied) AS waiting`;

interface Reading {
  readonly reports: number;
  readonly seconds: number;
  readonly standstill: number | null;
  readonly parked: number;
  readonly quarantined: number;
}

/** How far applying is behind receiving, and what is left for a person. */
@Injectable()
@DatabaseGauges(LAG_REPORTS, LAG_SECONDS, STANDSTILL, PARKED, QUARANTINED)
export class StreamGauges implements ReadsGauges {
  constructor(
    @Inject(DataSource) private readonly database: DataSource,
    @Inject(EXCHANGE_GATEWAY) private readonly gateway: ExchangeGateway,
  ) {}

  async read(): Promise<readonly GaugeReading[]> {
    const [row] = await this.database.query<Reading[]>(READ, [this.gateway.venue]);
    return [
      { gauge: LAG_REPORTS, value: Math.max(0, row?.reports ?? 0) },
      { gauge: LAG_SECONDS, value: Math.max(0, row?.seconds ?? 0) },
      // Of a venue that nobody has tried to read yet, or when none is configured, there is none.
      { gauge: STANDSTILL, value: Math.max(0, row?.standstill ?? 0) },
      { gauge: PARKED, value: row?.parked ?? 0 },
      { gauge: QUARANTINED, value: row?.quarantined ?? 0 },
    ];
  }
}
