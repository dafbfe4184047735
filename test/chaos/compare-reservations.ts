import { waitFor } from '../support/wait-for.js';
import type { AnsweredReservation, Booking } from './ledger.js';
import type { Site } from './site.js';

export interface StoredReservation extends AnsweredReservation {
  /** Whether it is due, by the database clock when it was read. */
  readonly isDue: boolean;
  /** In the form of an answer, without what may change. */
  readonly facts: object;
}

const RESERVATIONS = `
  SELECT id, status, version, order_id AS "orderId", expires_at <= business_now() AS "isDue",
    to_char(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "expiresAt",
    json_build_object('customerId', customer_id, 'lines', (
      SELECT json_agg(json_build_object('sku', line -> 'sku', 'quantity', line -> 'quantity', 'allocations', (
        SELECT json_agg(json_build_object('warehouse', part -> 'warehouse', 'quantity', part -> 'quantity')
          ORDER BY number) FROM jsonb_array_elements(line -> 'allocations') WITH ORDINALITY AS parts (part, number)))
        ORDER BY number) FROM jsonb_array_elements(lines) WITH ORDINALITY AS items (line, number)),
      'createdAt', to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) AS facts
  FROM reservations`;

const LEVELS = `
  SELECT format('product %s in warehouse %s: %s reserved, the open holds come to %s', product_id, warehouse_id,
    reserved, held) AS problem
  FROM (
    SELECT product_id, warehouse_id, coalesce(reserved, 0) AS reserved, coalesce(held, 0) AS held
    FROM stock_levels FULL JOIN (
      SELECT product_id, warehouse_id, sum(quantity) AS held FROM stock_holds GROUP BY product_id, warehouse_id) AS hold
      USING (product_id, warehouse_id)) AS level
  WHERE reserved <> held`;

// The clock is read after the snapshot was taken: a hold that had ended by then, and is not due yet, ended too early.
const HOLDS = `
  WITH promised AS (
    SELECT id AS reservation_id, (line ->> 'productId')::int AS product_id,
      (part ->> 'warehouseId')::int AS warehouse_id, sum((part ->> 'quantity')::int) AS quantity, expires_at
    FROM reservations, jsonb_array_elements(lines) AS line, jsonb_array_elements(line -> 'allocations') AS part
    WHERE status = 'active' GROUP BY 1, 2, 3, 5)
  SELECT format('reservation %s, product %s in warehouse %s: %s until %s promised, %s until %s held', reservation_id,
    product_id, warehouse_id, coalesce(promised.quantity::text, 'nothing'), promised.expires_at,
    coalesce(hold.quantity::text, 'nothing'), hold.expires_at) AS problem
  FROM promised FULL JOIN stock_holds hold USING (reservation_id, product_id, warehouse_id)
  WHERE (promised.quantity, promised.expires_at) IS DISTINCT FROM (hold.quantity::bigint, hold.expires_at)
    AND NOT (hold.quantity IS NULL AND promised.expires_at <= business_now())`;

const CONSUMED = `
  SELECT format('reservation %s was consumed by order %s; order %s is for reservation %s', consumed.id,
    coalesce(consumed.order_id, '(none)'), coalesce(placed.number, '(none)'), placed.reservation_id) AS problem
  FROM (SELECT id, order_id FROM reservations WHERE status = 'consumed') AS consumed
  FULL JOIN (
    SELECT (id / 10000000000) || '-' || lpad((id % 10000000000)::text, 5, '0') AS number, reservation_id
    FROM orders WHERE reservation_id IS NOT NULL) AS placed ON placed.reservation_id = consumed.id
  WHERE placed.number IS DISTINCT FROM consumed.order_id`;

const JOURNAL = `
  SELECT format('reservation %s is %s at version %s, its journal has %s rows and ends with %s', id, status, version,
    coalesce(rows, 0), coalesce(last, 'nothing')) AS problem
  FROM reservations LEFT JOIN (
    SELECT entity_id, count(*) AS rows, (array_agg(type ORDER BY version DESC))[1] AS last
    FROM journal WHERE entity_type = 'reservation' GROUP BY entity_id) AS entry ON entity_id = id::text
  WHERE rows IS DISTINCT FROM version OR last IS DISTINCT FROM 'reservation.' ||
    CASE WHEN status <> 'active' THEN status WHEN version = 1 THEN 'created' ELSE 'extended' END
  UNION ALL
  SELECT format('reservation %s expired at %s, before %s', id, occurred_at, expires_at)
  FROM journal JOIN reservations ON id = entity_id::uuid
  WHERE type = 'reservation.expired' AND occurred_at < expires_at`;

const OVERDUE = `
  SELECT format('reservation %s was due at %s, and nobody has written that down', id, expires_at) AS problem
  FROM reservations WHERE status = 'active' AND expires_at <= $1`;

const EXPIRY_LIMIT_MS = 30_000;

export async function readReservations(site: Site): Promise<Map<string, StoredReservation>> {
  const rows = await site.query<StoredReservation>(RESERVATIONS);
  return new Map(rows.map((reservation) => [reservation.id, reservation]));
}

/** What does not agree within the books, in words: stock, holds, reservations, orders and journal among each other. */
export async function findBrokenBooks(site: Site): Promise<string[]> {
  const found: string[] = [];
  for (const query of [LEVELS, HOLDS, CONSUMED, JOURNAL]) {
    found.push(...(await site.query<{ problem: string }>(query)).map(({ problem }) => problem));
  }
  return found;
}

/** Whatever is overdue now must soon be written down, by a scheduler that came back as everything else did. */
export async function findLeftOverdue(site: Site): Promise<string[]> {
  const [clock] = await site.query<{ now: string }>('SELECT business_now()::text AS now');
  const read = () => site.query<{ problem: string }>(OVERDUE, [clock?.now]);
  let left = await read();
  const isTidy = async () => (left = await read()).length === 0;
  // Those that are left when patience ends are the answer.
  await waitFor('overdue reservations to expire', isTidy, EXPIRY_LIMIT_MS).catch(() => undefined);
  return left.map(({ problem }) => problem);
}

/**
 * One reservation that somebody wanted: stored as often as it may be, as it was answered, and ended as it may have.
 * @param ids the reservations that the journal has for it
 * @param orderNumber the order that the journal has for the order that was asked for with it
 */
export function examineBooking(
  booking: Booking,
  ids: readonly string[],
  orderNumber: string | undefined,
  stored: ReadonlyMap<string, StoredReservation>,
): string[] {
  const { key, answer, reservation, isInDoubt, state } = booking;
  if (answer === undefined || reservation === undefined) {
    if (ids.length > 1) return [`${key} was reserved ${ids.length} times: ${ids.join()}`];
    return ids.length === 1 && !isInDoubt ? [`${key} was ${state}, but reserved as ${ids.join()}`] : [];
  }
  if (ids.length !== 1 || ids[0] !== reservation.id) {
    return [
      `${key} was answered with reservation ${reservation.id}, and is journaled as ${ids.join() || 'nothing'}`,
    ];
  }
  const found = stored.get(reservation.id);
  if (found === undefined) return [`reservation ${reservation.id}, answered to ${key}, is lost`];
  return [...compareFacts(booking, found), ...compareEnd(booking, orderNumber, found)];
}

function compareFacts({ answer = '', placement }: Booking, { id, facts }: StoredReservation): string[] {
  const { customerId, lines, createdAt } = JSON.parse(answer) as Record<string, unknown>;
  const [told, found] = [{ customerId, lines, createdAt }, facts].map((value) => JSON.stringify(value));
  const problems = told === found ? [] : [`reservation ${id} was answered as ${told}; stored: ${found}`];
  if (placement?.answer !== undefined && partsIn(placement.answer) !== partsIn(answer)) {
    problems.push(`reservation ${id} was answered as ${answer}, and became ${placement.answer}`);
  }
  return problems;
}

/** What is taken from where, in an answer about a reservation or about its order. */
function partsIn(answer: string): string {
  const { lines } = JSON.parse(answer) as {
    lines: { sku: string; quantity: number; allocations: object[] }[];
  };
  return JSON.stringify(lines.map(({ sku, quantity, allocations }) => ({ sku, quantity, allocations })));
}

/** A change that was answered has happened, one that was cut off has or has not; from then on it is known. */
function compareEnd(
  booking: Booking,
  orderNumber: string | undefined,
  { isDue, facts: _, ...found }: StoredReservation,
): string[] {
  const { reservation, isToldExpired } = booking;
  if (reservation === undefined) return [];
  const possible = possibleEnds(booking, orderNumber, found);
  const told = `${found.status} at version ${found.version}, for order ${found.orderId}, until ${found.expiresAt}`;
  const isPossible = possible.some(
    (end) =>
      end.status === found.status &&
      end.version === found.version &&
      end.orderId === found.orderId &&
      end.expiresAt === found.expiresAt,
  );
  if (!isPossible) {
    const words = possible.map(({ status, version, orderId }) => `${status} at ${version} for ${orderId}`);
    return [
      `reservation ${found.id} is ${told}; expected ${words.join(' or ')}, until ${reservation.expiresAt}`,
    ];
  }
  if ((isToldExpired || found.status === 'expired') && !isDue) {
    return [`reservation ${found.id} has expired, it was said, and is ${told}`];
  }
  booking.reservation = found;
  delete booking.doubtfulChange;
  return [];
}

function possibleEnds(
  { reservation, doubtfulChange }: Booking,
  orderNumber: string | undefined,
  found: AnsweredReservation,
): AnsweredReservation[] {
  const known = reservation as AnsweredReservation;
  if (known.status !== 'active') return [known];
  const ended = (before: AnsweredReservation, status: 'consumed' | 'released' | 'expired') => {
    const orderId = status === 'consumed' ? (orderNumber ?? null) : null;
    return { ...before, status, orderId, version: before.version + 1 };
  };
  if (orderNumber !== undefined) return [ended(known, 'consumed')];
  const open = [known];
  if (doubtfulChange === 'extend' && found.expiresAt >= known.expiresAt) {
    // Nobody was told until when.
    open.push({ ...known, version: known.version + 1, expiresAt: found.expiresAt });
  }
  return [
    ...open,
    ...open.map((before) => ended(before, 'expired')),
    ...(doubtfulChange === 'release' ? [ended(known, 'released')] : []),
  ];
}
