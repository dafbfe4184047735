import { rankedBars } from '../support/charts/bars.ts';
import type { Machine } from '../support/machine.ts';
import type { PostgresServer } from '../support/postgres-server.ts';
import { sum } from '../support/statistics.ts';
import { figure, say, table } from '../support/terminal.ts';
import type { PacedFigures } from './paced-orders.ts';
import type { ProcessorTime } from './stream-site.ts';

const GOAL_PER_SECOND = 20_000;
const GOAL_PLACING = 2;

export interface FloodFigures {
  readonly bus: string;
  readonly orders: number;
  readonly reportsPerRound: number;
  readonly consumers: number;
  /** Applied, journal included; the median of the rounds. */
  readonly perSecond: number;
  readonly rounds: readonly number[];
  /** The same rows by COPY into a table without an index. */
  readonly copyPerSecond: number;
  readonly ratio: number;
  readonly reportsPerBatch: number;
  readonly reportsPerJournalRow: number;
  readonly processorMicrosecondsPerReport: ProcessorTime;
}

interface Latency {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface ExecutionFigures {
  readonly benchmark: 'executions';
  readonly date: string;
  readonly machine: Machine;
  readonly postgres: Omit<PostgresServer, 'url'>;
  readonly floods: readonly FloodFigures[];
  readonly placing:
    | {
        readonly ordersPerSecond: number;
        readonly streamPerSecond: number;
        readonly without: Latency;
        readonly with: Latency;
        readonly ratio: number;
        readonly turns: readonly { readonly without: PacedFigures; readonly with: PacedFigures }[];
      }
    | undefined;
}

export function tellFigures({ floods, placing }: ExecutionFigures): void {
  say('\nexecution reports a second, from the socket to the journal; medians:\n');
  say(
    table(
      ['bus', 'applied/s', 'COPY rows/s', 'ratio', 'reports a batch', 'reports a journal row'],
      floods.map((flood) => [
        flood.bus,
        figure(flood.perSecond),
        figure(flood.copyPerSecond),
        flood.ratio.toFixed(3),
        figure(flood.reportsPerBatch),
        figure(flood.reportsPerJournalRow),
      ]),
    ),
  );
  say('\nprocessor time for a report, in microseconds:\n');
  const names = ['simulator', 'receiver', 'consumers', 'postgres', 'broker'] as const;
  say(
    table(
      ['bus', ...names, 'together'],
      floods.map(({ bus, processorMicrosecondsPerReport: used }) => [
        bus,
        ...names.map((name) => figure(used[name])),
        figure(sum(names.map((name) => used[name]))),
      ]),
    ),
  );
  for (const { bus, perSecond } of floods.filter((flood) => flood.bus === 'postgres'))
    say(
      `\ngoal at least ${figure(GOAL_PER_SECOND)} a second (${bus}): ${perSecond >= GOAL_PER_SECOND ? 'reached' : 'missed'}`,
    );
  if (placing === undefined) return;
  const { without, with: beside, ratio, ordersPerSecond, streamPerSecond } = placing;
  say(
    `placing ${figure(ordersPerSecond)} orders a second: p50 ${figure(without.p50Ms)} ms, p99 ${figure(without.p99Ms)} ms; ` +
      `beside ${figure(streamPerSecond)} reports a second: p50 ${figure(beside.p50Ms)} ms, p99 ${figure(beside.p99Ms)} ms`,
  );
  say(
    `goal p99 within ${GOAL_PLACING} x: ${ratio.toFixed(2)} x, ${ratio <= GOAL_PLACING ? 'reached' : 'missed'}`,
  );
}

export function drawRates({ floods }: ExecutionFigures, footnote: string): string {
  return rankedBars({
    title: 'Execution reports applied per second',
    subtitle: 'From the venue’s socket to orders, executions and journal, durably; medians',
    footnote,
    bars: floods.flatMap(({ bus, perSecond, copyPerSecond, ratio }, index) => [
      { label: nameOf(bus), value: perSecond, note: `${(ratio * 100).toFixed(0)} % of COPY`, strong: true },
      ...(index === floods.length - 1
        ? [
            {
              label: 'COPY, no index',
              value: copyPerSecond,
              note: 'the same rows, nothing else',
              strong: false,
            },
          ]
        : []),
    ]),
  });
}

function nameOf(bus: string): string {
  return bus === 'nats' ? 'NATS JetStream' : 'PostgreSQL inbox';
}
