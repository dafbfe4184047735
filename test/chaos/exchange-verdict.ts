import { findingsIn } from '../support/doctor.js';
import type { OrderAtVenue, SimulatedVenue } from '../support/exchange-simulator.js';

/** An order that the campaign placed, and what it was told of it. */
export interface ExchangeWish {
  readonly key: string;
  readonly clientOrderId: string;
  readonly order: object;
  /** Of the answer: undefined as long as there was none. */
  status?: number;
  orderId?: string;
  text?: string;
}

/** A database in which exchange orders were placed. */
export interface ExchangeBooks {
  readonly url: string;
  query<Row>(text: string, values?: unknown[]): Promise<Row[]>;
}

interface BookedOrder {
  readonly id: string;
  readonly clientOrderId: string;
  readonly status: string;
  readonly cumQuantity: string;
  readonly tradedCents: string;
}

const BOOKED = `
  SELECT 'X' || (id / 10000000000) || '-' || lpad((id % 10000000000)::text, 5, '0') AS id,
    client_order_id AS "clientOrderId", status, cum_quantity::text AS "cumQuantity", traded_cents::text AS "tradedCents"
  FROM exchange_orders ORDER BY id`;

/** What the venue calls a status that has another name here. */
const NAMES: Readonly<Record<string, string>> = { new: 'created' };

/** Orders whose fate is not known here yet, or is another one at the venue. */
export async function differences(books: ExchangeBooks, venue: SimulatedVenue): Promise<string[]> {
  const there = new Map((await venue.orders()).map((order) => [order.clOrdId, order]));
  const here = await books.query<BookedOrder>(BOOKED);
  const known = new Set(here.map(({ id }) => id));
  const strangers = [...there.keys()].filter((id) => !known.has(id));
  return [
    ...here.flatMap((order) => difference(order, there.get(order.id)) ?? []),
    ...strangers.map((id) => `order ${id} is at the venue, and not here`),
  ];
}

function difference(order: BookedOrder, there: OrderAtVenue | undefined): string | undefined {
  const { id, status, cumQuantity, tradedCents } = order;
  if (there === undefined)
    return status === 'failed' ? undefined : `order ${id} is ${status} here, and unknown at the venue`;
  const ours = `${status}, ${cumQuantity} filled for ${tradedCents} cents`;
  const theirs = `${NAMES[there.status] ?? there.status}, ${there.cumQuantity} filled for ${there.tradedCents} cents`;
  return ours === theirs ? undefined : `order ${id} is ${ours} here, and ${theirs} at the venue`;
}

/**
 * Whether orders were placed as promised, whatever happened to the processes and to the answers of the venue: each wish is
 * one order here, and each order at the venue is one of those.
 * @returns what is wrong, in words
 */
export async function judgePlacing(
  books: ExchangeBooks,
  venue: SimulatedVenue,
  wishes: readonly ExchangeWish[],
): Promise<string[]> {
  const here = await books.query<BookedOrder>(BOOKED);
  const named = Map.groupBy(here, ({ clientOrderId }) => clientOrderId);
  const byName = Map.groupBy(here, ({ id }) => id);
  const findings = await findingsIn(books.url);
  const [seen] = await books.query<{ parked: number; quarantined: number; deadlocks: number }>(
    `SELECT (SELECT count(*)::int FROM parked_executions) AS parked,
       (SELECT count(*)::int FROM quarantined_executions) AS quarantined,
       (SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()) AS deadlocks`,
  );
  return [
    ...wishes.flatMap(({ clientOrderId, status, orderId }) => {
      const orders = named.get(clientOrderId) ?? [];
      if (status === undefined) return [`nobody was told of ${clientOrderId}`];
      if (orders.length !== 1)
        return [`${clientOrderId} was answered ${status}, and is ${orders.length} orders`];
      return byName.get(orderId ?? '')?.[0] === orders[0]
        ? []
        : [`${clientOrderId} was answered with ${orderId}, and is order ${orders[0]?.id}`];
    }),
    ...(here.length === wishes.length
      ? []
      : [`${wishes.length} orders were wished, and there are ${here.length}`]),
    ...(await differences(books, venue)),
    ...findings.flatMap(({ check, examples }) => examples.map((example) => `doctor: ${check}: ${example}`)),
    ...Object.entries(seen ?? {}).flatMap(([what, count]) => (count === 0 ? [] : [`${what}: ${count}`])),
  ];
}
