import type { OrderStatus } from '@daybook/orders';

import { findingsIn } from '../support/doctor.js';
import {
  examineBooking,
  findBrokenBooks,
  findLeftOverdue,
  readReservations,
} from './compare-reservations.js';
import type { Ledger, Placement } from './ledger.js';
import type { Site } from './site.js';

interface StoredOrder {
  readonly number: string;
  readonly status: OrderStatus;
  readonly version: number;
  /** In the form of an answer, without what may change after the placement. */
  readonly facts: object;
}

const ORDERS = `
  WITH allocations AS (
    SELECT order_id, line_no, json_agg(json_build_object('warehouse', warehouse.code, 'quantity', quantity)
      ORDER BY warehouse.priority, warehouse.id) AS list
    FROM order_allocations JOIN warehouses warehouse ON warehouse.id = warehouse_id GROUP BY order_id, line_no),
  lines AS (
    SELECT order_id, json_agg(json_build_object('sku', product.sku, 'name', line.name, 'quantity', line.quantity,
      'unitPriceCents', line.unit_price_cents, 'lineTotalCents', line.quantity * line.unit_price_cents,
      'allocations', allocations.list) ORDER BY line_no) AS list
    FROM order_lines line JOIN products product ON product.id = line.product_id
    JOIN allocations USING (order_id, line_no) GROUP BY order_id)
  SELECT (id / 10000000000) || '-' || lpad((id % 10000000000)::text, 5, '0') AS number, status, version,
    json_build_object('customerId', customer_id, 'clientOrderId', client_order_id, 'priority', priority,
      'currency', currency, 'totalCents', total_cents, 'lines', lines.list, 'reservationId', reservation_id,
      'placedAt', to_char(placed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) AS facts
  FROM orders JOIN lines ON lines.order_id = orders.id`;

// By the requests that asked for them.
const MADE = `SELECT request_id AS key, array_agg(entity_id ORDER BY position) AS ids
  FROM journal WHERE type IN ('order.placed', 'reservation.created') GROUP BY request_id`;

const GAPS = `
  SELECT format('%s orders on %s, the last is number %s', count(*), id / 10000000000, max(id % 10000000000)) AS gap
  FROM orders GROUP BY id / 10000000000 HAVING count(*) <> max(id % 10000000000)`;

/**
 * Compares all that clients were ever told with what is stored now, and asks the doctor.
 * @returns what does not agree, in words
 */
export async function compare(ledger: Ledger, site: Site): Promise<string[]> {
  const { placements, bookings } = ledger;
  const orders = new Map((await site.query<StoredOrder>(ORDERS)).map((order) => [order.number, order]));
  const reservations = await readReservations(site);
  const journal = await site.query<{ key: string; ids: string[] }>(MADE);
  const made = new Map(journal.map(({ key, ids }) => [key, ids]));
  const known = new Set([...placements, ...bookings].map(({ key }) => key));
  const strays = journal.filter(({ key }) => !known.has(key));
  const gaps = site.strategy === 'gapless' ? await site.query<{ gap: string }>(GAPS) : [];
  const broken = await findBrokenBooks(site);
  const findings = await findingsIn(site.databaseUrl);
  const idsOf = (wish: { readonly key: string } | undefined) => made.get(wish?.key ?? '') ?? [];
  return [
    ...ledger.protests,
    ...placements.flatMap((placement) => examine(placement, idsOf(placement), orders)),
    ...bookings.flatMap((booking) =>
      examineBooking(booking, idsOf(booking), idsOf(booking.placement)[0], reservations),
    ),
    ...strays.map(({ key, ids }) => `nobody asked for ${ids.join()} (request ${key})`),
    ...gaps.map(({ gap }) => gap),
    ...broken,
    ...findings.flatMap(({ check, examples }) => examples.map((example) => `doctor: ${check}: ${example}`)),
    ...(await findLeftOverdue(site)),
  ];
}

/** One order that somebody wanted: stored as often as it may be, and as it was answered. */
function examine(
  placement: Placement,
  numbers: readonly string[],
  stored: ReadonlyMap<string, StoredOrder>,
): string[] {
  const { key, answer, order, isInDoubt, state } = placement;
  if (answer === undefined || order === undefined) {
    if (numbers.length > 1) return [`${key} was placed ${numbers.length} times: ${numbers.join()}`];
    return numbers.length === 1 && !isInDoubt ? [`${key} was ${state}, but placed as ${numbers.join()}`] : [];
  }
  if (numbers.length !== 1 || numbers[0] !== order.id) {
    return [`${key} was answered with order ${order.id}, and is journaled as ${numbers.join() || 'nothing'}`];
  }
  const found = stored.get(order.id);
  if (found === undefined) return [`order ${order.id}, answered to ${key}, is lost`];
  return [...compareFacts(placement, found), ...compareStatus(placement, found)];
}

/** A redrive allocates stock anew, so an order is compared as it was answered last. */
function compareFacts(
  { answer = '', latest = '', doubtfulMove }: Placement,
  { number, facts }: StoredOrder,
): string[] {
  const placed = JSON.parse(answer) as Record<string, unknown>;
  // These change from version to version; they are compared by themselves.
  const { id, status, version, updatedAt, ...answered } = JSON.parse(latest) as Record<string, unknown>;
  const begins = [placed['id'], placed['status'], placed['version'], placed['updatedAt']];
  const isBeginning = begins.join() === [number, 'pending', 1, answered['placedAt']].join();
  const mayBeAllocatedAnew = doubtfulMove?.from === 'failed';
  const [told, stored] = [answered, inOrderOf(answered, facts)].map((order) =>
    JSON.stringify(order, (name, value: unknown) =>
      mayBeAllocatedAnew && name === 'allocations' ? [] : value,
    ),
  );
  if (isBeginning && id === number && told === stored) return [];
  return [
    `order ${number} (${String(status)}, ${String(version)}, ${String(updatedAt)}) was answered as ${told}; stored: ${stored}`,
  ];
}

/** The same members in the order in which the answer has them. */
function inOrderOf(answered: object, facts: object): object {
  const stored = facts as Record<string, unknown>;
  return Object.fromEntries(
    [...Object.keys(answered), ...Object.keys(facts)].map((name) => [name, stored[name]]),
  );
}

/** A change that was answered has happened, one that was cut off has or has not; from then on it is known. */
function compareStatus(placement: Placement, { number, status, version, facts }: StoredOrder): string[] {
  const { order, doubtfulMove } = placement;
  if (order === undefined) return [];
  const isAsKnown = order.status === status && order.version === version;
  const hasMoved = doubtfulMove?.to === status && doubtfulMove.version === version;
  if (!isAsKnown && !hasMoved) {
    const doubt = doubtfulMove ? `, or ${doubtfulMove.to} at version ${doubtfulMove.version}` : '';
    return [
      `order ${number} is ${status} at version ${version}; expected ${order.status} at version ${order.version}${doubt}`,
    ];
  }
  if (hasMoved) {
    placement.order = { id: order.id, status, version };
    // Nobody was told how it was allocated anew, if it was.
    placement.latest = JSON.stringify({ ...(JSON.parse(placement.latest ?? '{}') as object), ...facts });
  }
  delete placement.doubtfulMove;
  return [];
}
