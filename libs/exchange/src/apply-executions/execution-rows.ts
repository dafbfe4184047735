import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

import { numberColumn, prepared, textColumn, textsIn } from '@daybook/platform';

import type { ExecutionReport } from '../execution-report.js';
import { storableText } from './examine-report.js';
import type { RefusedReport } from './fold-executions.js';

/** A report of an order, by the order's stored id. */
export interface OrderReport {
  readonly orderId: string;
  readonly report: ExecutionReport;
}

// Of many rows it tells only how many were new, and which only when not all of them were.
const INSERT = `
  WITH inserted AS (
    INSERT INTO executions (order_id, exec_id, type, sequence, quantity, price_cents, executed_at)
    SELECT order_id, exec_id, type, sequence, quantity, price_cents, to_timestamp(executed_ms / 1000.0)
    FROM unnest($1::bigint[], ${textsIn('$2')}, ${textsIn('$3')}, $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
      AS reported (order_id, exec_id, type, sequence, quantity, price_cents, executed_ms)
    ON CONFLICT DO NOTHING RETURNING order_id, exec_id)
  SELECT count(*)::int AS count, CASE WHEN count(*) < $8::int THEN array_agg(order_id || ' ' || exec_id) END AS keys
  FROM inserted`;

// The ids are named a second time because from a join alone the planner cannot tell which months it can leave out.
const WITHDRAW = `
  DELETE FROM executions USING unnest($1::bigint[], ${textsIn('$2')}) AS refused (order_id, exec_id)
  WHERE executions.order_id = refused.order_id AND executions.exec_id = refused.exec_id
    AND executions.order_id = ANY($1::bigint[])`;

const PARK = `
  INSERT INTO parked_executions (venue, exec_id, order_id, sequence, report)
  SELECT $1, early.* FROM unnest(${textsIn('$2')}, $3::bigint[], $4::bigint[], ${textsIn('$5')}::jsonb[]) AS early
  ON CONFLICT DO NOTHING RETURNING 1`;

const FIND_PARKED = `
  SELECT DISTINCT order_id::text AS "orderId" FROM parked_executions WHERE venue = $1 AND order_id = ANY($2::bigint[])`;

const UNPARK = `
  DELETE FROM parked_executions WHERE venue = $1 AND order_id = ANY($2::bigint[])
  RETURNING order_id::text AS "orderId", sequence::float8, report`;

const QUARANTINE = `
  INSERT INTO quarantined_executions (venue, exec_id, order_ref, sequence, reason, report)
  SELECT $1, refused.* FROM unnest(${textsIn('$2')}, ${textsIn('$3')}, $4::bigint[], ${textsIn('$5')},
    ${textsIn('$6')}::jsonb[]) AS refused
  ON CONFLICT DO NOTHING RETURNING 1`;

/** The SQL of reports: recorded, parked, quarantined. All set-based, and all under the locks of the orders. */
@Injectable()
export class ExecutionRows {
  /** Records reports, as far as they are new. @returns those that were, in their order */
  async record(reports: readonly OrderReport[], manager: EntityManager): Promise<readonly OrderReport[]> {
    if (reports.length === 0) return reports;
    const [row] = await prepared<{ count: number; keys: readonly string[] | null }>(
      manager,
      'apply-executions/record',
      INSERT,
      [
        numberColumn(reports.map(({ orderId }) => orderId)),
        textColumn(reports.map(({ report }) => report.execId)),
        textColumn(reports.map(({ report }) => report.type)),
        numberColumn(reports.map(({ report }) => report.sequence)),
        numberColumn(reports.map(({ report }) => report.quantity ?? null)),
        numberColumn(reports.map(({ report }) => report.priceCents ?? null)),
        numberColumn(reports.map(({ report }) => Date.parse(report.executedAt))),
        reports.length,
      ],
    );
    if (row?.count === reports.length) return reports;
    const fresh = new Set(row?.keys);
    // Of two copies in one batch the first counts.
    return reports.filter(({ orderId, report }) => fresh.delete(`${orderId} ${report.execId}`));
  }

  /** Takes back the record of reports that their orders contradict. */
  async withdraw(reports: readonly OrderReport[], manager: EntityManager): Promise<void> {
    if (reports.length === 0) return;
    await prepared(manager, 'apply-executions/withdraw', WITHDRAW, [
      numberColumn(reports.map(({ orderId }) => orderId)),
      textColumn(reports.map(({ report }) => report.execId)),
    ]);
  }

  /** Keeps reports until their orders are known. @returns how many of them were not kept before */
  async park(venue: string, reports: readonly OrderReport[], manager: EntityManager): Promise<number> {
    if (reports.length === 0) return 0;
    const kept = await prepared(manager, 'apply-executions/park', PARK, [
      venue,
      textColumn(reports.map(({ report }) => report.execId)),
      numberColumn(reports.map(({ orderId }) => orderId)),
      numberColumn(reports.map(({ report }) => report.sequence)),
      textColumn(reports.map(({ report }) => storableJson(report))),
    ]);
    return kept.length;
  }

  /** The orders of which reports are parked. */
  async findParked(
    venue: string,
    orderIds: readonly string[],
    manager: EntityManager,
  ): Promise<ReadonlySet<string>> {
    const rows = await prepared<{ orderId: string }>(manager, 'apply-executions/find-parked', FIND_PARKED, [
      venue,
      numberColumn(orderIds),
    ]);
    return new Set(rows.map(({ orderId }) => orderId));
  }

  /** Takes the parked reports of these orders, in the order of their sequence. */
  async unpark(
    venue: string,
    orderIds: readonly string[],
    manager: EntityManager,
  ): Promise<readonly OrderReport[]> {
    if (orderIds.length === 0) return [];
    const rows = await prepared<OrderReport & { readonly sequence: number }>(
      manager,
      'apply-executions/unpark',
      UNPARK,
      [venue, numberColumn(orderIds)],
    );
    return rows.sort((a, b) => a.sequence - b.sequence);
  }

  /** Keeps reports for a person. @returns how many of them were not kept before */
  async quarantine(
    venue: string,
    refused: readonly RefusedReport[],
    manager: EntityManager,
  ): Promise<number> {
    if (refused.length === 0) return 0;
    const kept = await prepared(manager, 'apply-executions/quarantine', QUARANTINE, [
      venue,
      textColumn(refused.map(({ report }) => nameOf(report))),
      textColumn(refused.map(({ report }) => printable(report.orderRef, LONGEST_NAME) || '?')),
      numberColumn(refused.map(({ report }) => report.sequence)),
      textColumn(refused.map(({ reason }) => printable(reason) || '?')),
      textColumn(refused.map(({ report }) => storableJson(report))),
    ]);
    return kept.length;
  }
}

const LONGEST_TEXT = 500;
// Two of them, whatever their characters, are no more than an index takes.
const LONGEST_NAME = 250;

function printable(value: unknown, longest = LONGEST_TEXT): string {
  return typeof value === 'string' ? storableText(value.slice(0, longest)) : '';
}

/** Its ExecID; without one, by its place in the stream. */
function nameOf({ execId, sequence }: ExecutionReport): string {
  return printable(execId, LONGEST_NAME) || `#${sequence}`;
}

/** As it was reported, without what `jsonb` cannot hold: it is flat, and what is no plain value of it becomes text. */
function storableJson(report: ExecutionReport): string {
  const fields = Object.entries(report).map(([name, value]: [string, unknown]) => {
    const plain = typeof value === 'object' && value !== null ? JSON.stringify(value) : value;
    return [printable(name), typeof plain === 'string' ? printable(plain) : plain];
  });
  return JSON.stringify(Object.fromEntries(fields));
}
