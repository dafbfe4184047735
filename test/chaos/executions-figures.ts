import type { WorkedDatabase } from './work-verdict.js';

/** How far a stream has been applied. */
export interface AppliedSoFar {
  /** Reports, whatever became of them. */
  readonly applied: number;
  /** All parts up to here. */
  readonly through: number;
  /** Parked reports of orders that are known by now. */
  readonly waiting: number;
}

/** What a stream has come to. */
export interface ExecutionFigures {
  readonly recorded: number;
  /** Reports that had been recorded before. */
  readonly repeated: number;
  readonly quarantined: number;
  readonly parked: number;
  readonly orders: number;
  /** How often the stream was begun anew. */
  readonly connections: number;
}

const PROGRESS = `
  SELECT coalesce(sum(recorded + duplicates + parked + quarantined), 0)::float8 AS applied,
    coalesce(min(applied), 0)::float8 AS through,
    (SELECT count(*)::int FROM parked_executions JOIN exchange_orders ON id = order_id) AS waiting
  FROM execution_offsets`;

const FIGURES = `
  SELECT sum(recorded)::float8 AS recorded, sum(duplicates)::float8 AS repeated,
    (SELECT count(*)::int FROM quarantined_executions) AS quarantined,
    (SELECT count(*)::int FROM parked_executions) AS parked,
    (SELECT count(*)::int FROM exchange_orders) AS orders,
    (SELECT sum(connections)::int FROM execution_streams) AS connections
  FROM execution_offsets`;

export async function readProgress(database: WorkedDatabase): Promise<AppliedSoFar> {
  const [row] = await database.query<AppliedSoFar>(PROGRESS);
  return row as AppliedSoFar;
}

export async function readFigures(database: WorkedDatabase): Promise<ExecutionFigures> {
  const [row] = await database.query<ExecutionFigures>(FIGURES);
  return row as ExecutionFigures;
}
