import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

import { type Attempt, OrderPlaced, OrderStatusChanged } from '@daybook/orders';
import {
  CONFIG,
  type DaybookConfig,
  type HandlesInTransaction,
  InTransactionHandler,
  numberColumn,
  prepared,
  textColumn,
  textsIn,
} from '@daybook/platform';

type OrderEvent = OrderPlaced | OrderStatusChanged;

/** Of an attempt that was abandoned or handed back nobody knows how long the work takes. */
const MEASURED: readonly (Attempt['outcome'] | undefined)[] = ['confirmed', 'refused', 'failed', 'timed_out'];

const APPEND = `
  INSERT INTO order_tallies (day, month, priority, from_status, to_status, outcome, count, times_ms, total_ms)
  SELECT (happened_at::timestamptz AT TIME ZONE $10::text)::date, month, priority, from_status, to_status, outcome,
    count, coalesce(times_ms::bigint[], '{}'), total_ms
  FROM unnest(${textsIn('$1')}, ${textsIn('$2')}, ${textsIn('$3')}, ${textsIn('$4')}, ${textsIn('$5')},
    ${textsIn('$6')}, $7::int[], ${textsIn('$8')}, $9::bigint[])
    AS tally (happened_at, month, priority, from_status, to_status, outcome, count, times_ms, total_ms)`;

/**
 * Counts what happens to orders, in the transaction in which it happens: nothing is lost, and nothing counted twice. A
 * batch adds a row for each kind of change in it, mostly one or two, and touches no row that another batch touches.
 */
@Injectable()
@InTransactionHandler(OrderPlaced, OrderStatusChanged)
export class OrderTallies implements HandlesInTransaction {
  constructor(@Inject(CONFIG) private readonly config: Pick<DaybookConfig, 'businessTimezone'>) {}

  async handle(events: readonly OrderEvent[], manager: EntityManager): Promise<void> {
    const tallies = tally(events);
    await prepared(manager, 'metrics/tally-orders', APPEND, [
      textColumn(tallies.map(({ change }) => change.happenedAt)),
      textColumn(tallies.map(({ change }) => change.month)),
      textColumn(tallies.map(({ change }) => change.priority)),
      textColumn(tallies.map(({ change }) => change.from)),
      textColumn(tallies.map(({ change }) => change.to)),
      textColumn(tallies.map(({ change }) => change.outcome)),
      numberColumn(tallies.map(({ count }) => count)),
      textColumn(tallies.map(({ timesMs }) => (timesMs.length > 0 ? `{${timesMs.join()}}` : null))),
      numberColumn(tallies.map(({ totalMs }) => totalMs)),
      this.config.businessTimezone,
    ]);
  }
}

interface Change {
  readonly happenedAt: string;
  /** `YYYYMM`, of the order's number. */
  readonly month: string;
  readonly priority: string;
  /** Null: placed. */
  readonly from: string | null;
  readonly to: string;
  readonly outcome: string | null;
  readonly durationMs: number | undefined;
}

interface Tally {
  readonly change: Change;
  readonly count: number;
  readonly timesMs: readonly number[];
  readonly totalMs: number;
}

/** Changes of one kind become one tally. */
function tally(events: readonly OrderEvent[]): Tally[] {
  const kindOf = ({ happenedAt, month, priority, from, to, outcome }: Change) =>
    [happenedAt, month, priority, from, to, outcome].join();
  return [...Map.groupBy(events.map(toChange), kindOf).values()].map((changes) => {
    const durations = changes.flatMap(({ durationMs }) =>
      durationMs === undefined ? [] : toWholeMs(durationMs),
    );
    return {
      change: changes[0] as Change,
      count: changes.length,
      timesMs: durations.map(toThreeDigits),
      totalMs: durations.reduce((sum, ms) => sum + ms, 0),
    };
  });
}

function toChange(event: OrderEvent): Change {
  const { occurredAt: happenedAt, entityId, data } = event;
  const month = entityId.slice(0, 6);
  const to = data.after.status;
  const { priority } = event;
  if (event instanceof OrderPlaced)
    return { happenedAt, month, priority, from: null, to, outcome: null, durationMs: undefined };
  const { before, attempt } = event.data;
  return {
    happenedAt,
    month,
    priority,
    from: before.status,
    to,
    outcome: attempt?.outcome ?? null,
    durationMs: MEASURED.includes(attempt?.outcome) ? attempt?.durationMs : undefined,
  };
}

/** As a clock tells it that was put back, or tells fractions: no figure is worth failing a change for. */
function toWholeMs(durationMs: number): number {
  return Math.max(0, Math.round(durationMs));
}

/** 12,345 becomes 12,300: wrong by half a percent at most, and no period has more than some thousand different times. */
export function toThreeDigits(ms: number): number {
  return Math.round(Number(ms.toPrecision(3)));
}
