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
  /** To what COPY does. */
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
  /** The same rows by COPY into a table without an index; the median of several. */
  readonly copyPerSecond: number;
  readonly floods: readonly FloodFigures[];
  readonly placing: readonly PlacingFigures[];
}

/** Orders for goods, placed at a set rate with and without a stream beside them. */
export interface PlacingFigures {
  readonly ordersPerSecond: number;
  readonly streamPerSecond: number;
  /** Medians of the turns. */
  readonly without: Latency;
  readonly with: Latency;
  /** How much longer the p99 is beside the stream than right before it: the median of the turns. */
  readonly ratio: number;
  readonly turns: readonly { readonly without: PacedFigures; readonly with: PacedFigures }[];
}

export function tellFigures({ floods, placing, copyPerSecond }: ExecutionFigures): void {
  say('\nexecution reports a second, from the socket to the journal; medians:\n');
  say(
    table(
      ['bus', 'applied/s', 'to COPY', 'reports a batch', 'reports a journal row'],
      floods.map((flood) => [
        flood.bus,
        figure(flood.perSecond),
        flood.ratio.toFixed(3),
        figure(flood.reportsPerBatch),
        figure(flood.reportsPerJournalRow),
      ]),
    ),
  );
  say(`\nthe same rows by COPY into a table without an index: ${figure(copyPerSecond)} a second`);
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
  say('\nplacing orders beside the stream, medians of the turns:\n');
  say(
    table(
      [
        'orders/s',
        'reports/s',
        'p50 alone',
        'beside',
        'p99 alone',
        'beside',
        'p99 grows',
        `goal ${GOAL_PLACING} x`,
      ],
      placing.map(({ ordersPerSecond, streamPerSecond, without, with: beside, ratio }) => [
        figure(ordersPerSecond),
        figure(streamPerSecond),
        `${figure(without.p50Ms)} ms`,
        `${figure(beside.p50Ms)} ms`,
        `${figure(without.p99Ms)} ms`,
        `${figure(beside.p99Ms)} ms`,
        `${ratio.toFixed(2)} x`,
        ratio <= GOAL_PLACING ? 'reached' : 'missed',
      ]),
    ),
  );
}

export function drawRates({ floods, copyPerSecond }: ExecutionFigures, footnote: string): string {
  return rankedBars({
    title: 'Execution reports applied per second',
    subtitle: 'From the venue’s socket to orders, executions and journal, durably; medians',
    footnote,
    bars: [
      ...floods.map(({ bus, perSecond, ratio }) => ({
        label: nameOf(bus),
        value: perSecond,
        note: `${(ratio * 100).toFixed(0)} % of COPY`,
        strong: true,
      })),
      { label: 'COPY, no index', value: copyPerSecond, note: 'the same rows, nothing else', strong: false },
    ],
  });
}

function nameOf(bus: string): string {
  return bus === 'nats' ? 'NATS JetStream' : 'PostgreSQL inbox';
}
