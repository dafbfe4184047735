import { setTimeout as pause } from 'node:timers/promises';

import { type Daybook, listAll } from './daybook.js';
import type { Placed } from './placing.js';

/** What became of an order, by its journal. */
export interface Life extends Placed {
  readonly status: string;
  readonly versions: readonly number[];
  /** Outcomes that ended the work: one, if all is well. */
  readonly outcomes: readonly string[];
  readonly placedAt: number;
  /** Where the journal has its placement and its first start; those of one moment are of one transaction. */
  readonly placedPosition: number;
  readonly startedPosition: number | undefined;
  readonly startedAt: number | undefined;
  readonly doneAt: number | undefined;
}

interface Entry {
  readonly position: string;
  readonly version: number;
  readonly occurredAt: string;
  readonly data: {
    readonly after: { readonly status: string };
    readonly attempt?: { readonly outcome?: string };
  };
}

export type Counts = Readonly<Record<string, number>>;

export function countStatuses(orders: readonly { readonly status: string }[]): Counts {
  const groups = Map.groupBy(orders, ({ status }) => status);
  return Object.fromEntries([...groups].map(([status, { length }]) => [status, length]));
}

const READERS = 32;
const LOOK_EVERY_MS = 500;
const STUCK_AFTER_MS = 60_000;

/** How many orders of this customer are in which status. */
export async function countOrders(daybook: Daybook, customerId: string): Promise<Counts> {
  const orders = await listAll<{ status: string }>(daybook, `/orders?customerId=${customerId}`);
  return countStatuses(orders);
}

/** Resolves when none of the orders waits or is in processing, or nothing moves any more. */
export async function workedOff(
  daybook: Daybook,
  customerId: string,
  tell: (counts: Counts) => void,
): Promise<Counts> {
  let seen = '';
  for (let movedAt = performance.now(); ;) {
    const counts = await countOrders(daybook, customerId);
    tell(counts);
    const open = (counts['pending'] ?? 0) + (counts['processing'] ?? 0);
    if (JSON.stringify(counts) !== seen) movedAt = performance.now();
    if (open === 0 || performance.now() - movedAt > STUCK_AFTER_MS) return counts;
    seen = JSON.stringify(counts);
    await pause(LOOK_EVERY_MS);
  }
}

/** Reads what became of each. */
export async function readLives(daybook: Daybook, orders: readonly Placed[]): Promise<Life[]> {
  const lives: Life[] = [];
  const waiting = orders.values();
  const read = async () => {
    for (const order of waiting) {
      const { status, text, body } = await daybook.ask('GET', `/orders/${order.id}/audit?limit=200`);
      if (status !== 200) throw new Error(`Order ${order.id} could not be read: ${status} ${text}`);
      lives.push(lifeOf(order, (body as { data: Entry[] }).data));
    }
  };
  await Promise.all(Array.from({ length: READERS }, read));
  return lives;
}

function lifeOf(order: Placed, entries: readonly Entry[]): Life {
  const time = (entry: Entry | undefined) => (entry === undefined ? undefined : Date.parse(entry.occurredAt));
  const [placement] = entries;
  const start = entries.find(({ data }) => data.after.status === 'processing');
  const ends = entries.filter(({ data }) => ['confirmed', 'failed'].includes(data.after.status));
  return {
    ...order,
    status: entries.at(-1)?.data.after.status ?? 'unknown',
    versions: entries.map(({ version }) => version),
    outcomes: ends.map(({ data }) => data.attempt?.outcome ?? 'by hand'),
    placedAt: time(placement) ?? NaN,
    placedPosition: Number(placement?.position),
    startedPosition: start && Number(start.position),
    startedAt: time(start),
    doneAt: time(ends.at(-1)),
  };
}
