import { Inject, Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';

import { PARTITIONS } from './execution-bus.js';

const BEGIN = `
  WITH stream AS (INSERT INTO execution_streams (venue) VALUES ($1) ON CONFLICT DO NOTHING)
  INSERT INTO execution_offsets (venue, partition) SELECT $1, partition FROM generate_series(0, ${PARTITIONS - 1}) AS partition
  ON CONFLICT DO NOTHING`;

const READ = `
  SELECT partition, applied::float8, coalesce(lost_after = applied, false) AS "isLost" FROM execution_offsets WHERE venue = $1`;

const LOST = `
  UPDATE execution_offsets SET lost_after = applied
  WHERE venue = $1 AND partition = $2 AND applied = $3 AND lost_after IS DISTINCT FROM applied`;

const CONNECTED = `
  INSERT INTO execution_streams AS stream (venue, received, connections) VALUES ($1, $2::bigint, 1)
  ON CONFLICT (venue) DO UPDATE SET connections = stream.connections + 1`;

// What waited longest is as old as the first mark beyond what is applied; those before it have served.
const RECEIVED = `
  WITH flowing AS (
    UPDATE execution_streams SET received = greatest(received, $2::bigint),
      flowing_at = CASE WHEN $3::boolean THEN (SELECT business_now()) ELSE flowing_at END WHERE venue = $1),
  moved AS (SELECT venue FROM execution_streams WHERE venue = $1 AND received < $2::bigint),
  marked AS (
    INSERT INTO execution_marks (venue, sequence) SELECT $1, $2::bigint FROM moved ON CONFLICT DO NOTHING)
  DELETE FROM execution_marks WHERE venue = $1
    AND sequence <= (SELECT min(applied) FROM execution_offsets WHERE venue = $1)`;

export interface PartOffset {
  readonly applied: number;
  /** What comes next has been lost on its way. */
  readonly isLost: boolean;
}

/** How far the stream of a venue has been received and applied. What moves the parts on is in apply-executions. */
@Injectable()
export class ExecutionOffsets {
  constructor(@Inject(DataSource) private readonly database: DataSource) {}

  /** How far each part is, by its number; at the beginning, the first time. */
  async read(venue: string): Promise<readonly PartOffset[]> {
    const find = async () =>
      (await this.database.query(READ, [venue])) as (PartOffset & { partition: number })[];
    let rows = await find();
    if (rows.length < PARTITIONS) {
      await this.database.query(BEGIN, [venue]);
      rows = await find();
    }
    return rows.sort((a, b) => a.partition - b.partition);
  }

  /** Tells the receiver that what follows has been lost on its way, and has to be sent again. */
  async noteLost(venue: string, partition: number, applied: number): Promise<void> {
    await this.database.query(LOST, [venue, partition, applied]);
  }

  /** Counts a connection to the venue. @param after from where it was asked to send */
  async noteConnection(venue: string, after: number): Promise<void> {
    await this.database.query(CONNECTED, [venue, after]);
  }

  /**
   * Writes down that the stream has been received up to here, and when.
   * @param isFlowing it is being read, nothing is missing, and what comes is passed on
   */
  async noteReceived(venue: string, through: number, isFlowing: boolean): Promise<void> {
    await this.database.query(RECEIVED, [venue, through, isFlowing]);
  }
}
