import { type ExecutionBus, type ExecutionReport, PARTITIONS, type Stretch } from '@daybook/exchange';
import type { EntityManager } from 'typeorm';

/** Runs the work in a transaction of the database where executions are applied, and commits unless it throws. */
export type InTransaction = (work: (manager: EntityManager) => Promise<void>) => Promise<void>;

/** A trade at this place of the stream; all of it follows from the place. */
export function inventedReport(sequence: number, other: Partial<ExecutionReport> = {}): ExecutionReport {
  return {
    sequence,
    execId: `E${sequence}`,
    orderRef: `X20261121-${String(1 + (sequence % 997)).padStart(5, '0')}`,
    type: 'trade',
    quantity: 1 + (sequence % 100),
    priceCents: 10_000 + (sequence % 313),
    executedAt: new Date(Date.UTC(2026, 10, 21) + sequence).toISOString(),
    ...other,
  };
}

/** A stretch with a report at every place, or at every so-manyth. */
export function stretchOf(partition: number, after: number, through: number, every = 1): Stretch {
  const places = Array.from({ length: through - after }, (_, index) => after + 1 + index);
  const reports = places
    .filter((sequence) => (sequence - partition) % every === 0)
    .map((place) => inventedReport(place));
  return { partition, after, through, reports };
}

/** The same in smaller stretches, of one report to so many. */
export function cutUnevenly({ partition, after, through }: Stretch, most: number): Stretch[] {
  const cut: Stretch[] = [];
  for (let from = after, size = 1; from < through; size = 1 + ((size * 7 + 3) % most)) {
    const to = Math.min(through, from + size);
    cut.push(stretchOf(partition, from, to));
    from = to;
  }
  return cut;
}

/** One such place for every part. */
export function everyPart(place: number): number[] {
  return Array.from({ length: PARTITIONS }, () => place);
}

export function sequencesOf(stretches: readonly Stretch[]): number[] {
  return stretches.flatMap(({ reports }) => reports.map(({ sequence }) => sequence));
}

/**
 * What a consumer that has applied a part up to a place makes of what it took: how far it is then, and what was new to it.
 * @throws when something is missing or out of order, or belongs elsewhere
 */
export function consume(
  stretches: readonly Stretch[],
  applied: number,
): { readonly through: number; readonly reports: ExecutionReport[] } {
  const reports: ExecutionReport[] = [];
  let reached = applied;
  for (const stretch of stretches) {
    const { after, through } = stretch;
    const words = `the stretch (${after}, ${through}] behind ${reached}`;
    if (after > reached) throw new Error(`${words} does not join`);
    if (through <= reached) throw new Error(`${words} brings nothing on`);
    const before = reached;
    let last = after;
    for (const { sequence } of stretch.reports) {
      if (sequence <= last || sequence > through) throw new Error(`${words} has ${sequence} behind ${last}`);
      last = sequence;
    }
    reports.push(...stretch.reports.filter(({ sequence }) => sequence > before));
    reached = through;
  }
  return { through: reached, reports };
}

export interface Applied {
  readonly through: number;
  /** The sequence numbers that were new, in order. */
  readonly seen: readonly number[];
  readonly stretches: readonly Stretch[];
}

/** Takes from a part what there is, a bit at a time, as a consumer does; applies it only if there is a transaction to do so. */
export async function drain(
  bus: ExecutionBus,
  partition: number,
  from: number,
  bound: number,
  transaction?: InTransaction,
): Promise<Applied> {
  const seen: number[] = [];
  const all: Stretch[] = [];
  let reached = from;
  for (;;) {
    const stretches = await bus.take(partition, reached, bound);
    if (stretches.length === 0) return { through: reached, seen, stretches: all };
    const { through, reports } = consume(stretches, reached);
    await transaction?.((manager) => bus.forget(partition, through, manager));
    if (transaction !== undefined) await bus.acknowledge(partition, through);
    for (const { sequence } of reports) seen.push(sequence);
    all.push(...stretches);
    reached = through;
  }
}
