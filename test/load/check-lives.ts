import { type Counts, countStatuses, type Life } from './lives.js';

/** What is known besides what became of each order. */
export interface Circumstances {
  /** Orders that were to be placed. */
  readonly wanted: number;
  readonly refusals: ReadonlyMap<string, number>;
  /** By the list of orders. */
  readonly counts: Counts;
  /** By the metrics and by all reports, of a Daybook that has no other orders. */
  readonly metrics?: Counts | undefined;
  readonly reports?: Counts | undefined;
  /** Workers in all processes together. */
  readonly workers: number;
}

/** @returns what is not as promised, in words */
export function checkLives(lives: readonly Life[], circumstances: Circumstances): string[] {
  const { wanted, refusals, counts, metrics, reports, workers } = circumstances;
  const byStatus = countStatuses(lives);
  return [
    ...[...refusals].map(([words, times]) => `${times} orders were not accepted: ${words}`),
    ...(lives.length === wanted ? [] : [`${wanted} orders were to be placed, ${lives.length} were`]),
    ...lives.flatMap(checkLife),
    ...compare('the list of orders', byStatus, counts),
    ...compare('the metrics', byStatus, metrics),
    ...compare('the reports together', byStatus, reports),
    ...findOvertaken(lives, workers),
  ];
}

function checkLife({ id, status, outcomes, versions }: Life): string[] {
  const isWhole = versions.every((version, index) => version === index + 1);
  return [
    ...(['confirmed', 'failed'].includes(status) ? [] : [`order ${id} ended as ${status}`]),
    ...(outcomes.length === 1 ? [] : [`order ${id} has ${outcomes.length} outcomes: ${outcomes.join(', ')}`]),
    ...(isWhole ? [] : [`the journal of order ${id} has the versions ${versions.join(', ')}`]),
  ];
}

function compare(where: string, byStatus: Counts, told: Counts | undefined): string[] {
  if (told === undefined) return [];
  const statuses = new Set([...Object.keys(byStatus), ...Object.keys(told)]);
  return [...statuses]
    .filter((status) => (byStatus[status] ?? 0) !== (told[status] ?? 0))
    .map((status) => `${byStatus[status] ?? 0} orders are ${status}; by ${where} ${told[status] ?? 0}`);
}

/**
 * Orders start in the order of their numbers, within a priority. Two placements at once are committed in any order, so a
 * few may be overtaken, by no more than there are workers. Those that start together have no order.
 */
function findOvertaken(lives: readonly Life[], workers: number): string[] {
  return lives.flatMap((life) => {
    const { startedPosition = Infinity, startedAt = Infinity } = life;
    const overtakers = lives.filter(
      (other) =>
        other.priority === life.priority &&
        isHigher(other.id, life.id) &&
        other.startedPosition !== undefined &&
        other.startedPosition > life.placedPosition &&
        other.startedPosition < startedPosition &&
        other.startedAt !== startedAt,
    );
    if (overtakers.length <= workers) return [];
    return [
      `${overtakers.length} orders with higher numbers and the same priority started before ${life.id}`,
    ];
  });
}

/** Numbers grow beyond their five digits. */
function isHigher(one: string, other: string): boolean {
  const [oneDay = '', oneNumber] = one.split('-');
  const [otherDay = '', otherNumber] = other.split('-');
  return oneDay === otherDay ? Number(oneNumber) > Number(otherNumber) : oneDay > otherDay;
}
