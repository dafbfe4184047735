import type { DataSource, EntityManager } from 'typeorm';

import type { Check, CheckSettings } from './check.js';
import { CHECKS, EXAMINED_TABLES } from './checks.js';

/** What one check came to. */
export interface Finding {
  readonly check: string;
  readonly holds: string;
  /** 0: the promise holds. */
  readonly discrepancies: number;
  /** The first of them, in words. */
  readonly examples: readonly string[];
  /** Whether `--fix` may correct them. */
  readonly isFixable: boolean;
  /** What a person should do. */
  readonly remedy: string;
}

export const EXAMPLES_AT_MOST = 20;

/** The database cannot be reached, or was not set up by this version of Daybook. */
export class CannotExamine extends Error {
  override readonly name = 'CannotExamine';
}

/** What to examine; everything unless told otherwise. */
export interface Scope {
  readonly checks?: readonly Check[];
  /** Ends the examination after the check it is at. */
  readonly signal?: AbortSignal;
}

/**
 * Examines everything in one snapshot, so that it may be done while Daybook is at work: what a transaction changes is
 * seen whole or not at all. Changes nothing.
 * @returns one finding per check
 * @throws {CannotExamine}
 */
export function examine(
  database: DataSource,
  settings: Partial<CheckSettings> = {},
  scope: Scope = {},
): Promise<Finding[]> {
  return database.transaction('REPEATABLE READ', async (manager) => {
    await manager.query('SET TRANSACTION READ ONLY');
    // A large book takes its time; nobody waits for this connection.
    await manager.query('SET LOCAL statement_timeout = 0; SET LOCAL enable_seqscan = on');
    return runChecks(manager, settings, scope);
  });
}

/** As {@link examine}, on what the given transaction sees. */
export async function runChecks(
  manager: EntityManager,
  { businessTimezone = 'UTC' }: Partial<CheckSettings> = {},
  { checks = CHECKS, signal }: Scope = {},
): Promise<Finding[]> {
  await refuseMissingTables(manager);
  const findings: Finding[] = [];
  for (const { name, holds, sql, values, isFixable = false, remedy } of checks) {
    signal?.throwIfAborted();
    const rows = (await manager.query(
      `SELECT discrepancy, count(*) OVER ()::int AS total FROM (${sql}) AS found
       ORDER BY discrepancy LIMIT ${EXAMPLES_AT_MOST}`,
      [...(values?.({ businessTimezone }) ?? [])],
    )) as { discrepancy: string; total: number }[];
    const examples = rows.map(({ discrepancy }) => discrepancy);
    findings.push({
      check: name,
      holds,
      discrepancies: rows[0]?.total ?? 0,
      examples,
      isFixable,
      remedy,
    });
  }
  return findings;
}

/** Those that found something. */
export function brokenOnes(findings: readonly Finding[]): Finding[] {
  return findings.filter(({ discrepancies }) => discrepancies > 0);
}

async function refuseMissingTables(manager: EntityManager): Promise<void> {
  const rows = (await manager.query(
    'SELECT name FROM unnest($1::text[]) AS name WHERE to_regclass(name) IS NULL',
    [EXAMINED_TABLES],
  )) as { name: string }[];
  if (rows.length === 0) return;
  throw new CannotExamine(
    `The database lacks ${rows.map(({ name }) => name).join(', ')}: it is empty or of another version. ` +
      'Daybook sets it up, or brings it up to date, when it starts.',
  );
}
