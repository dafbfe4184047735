import type { PlannedOrder } from './execution-plan.js';
import type { WorkedDatabase } from './work-verdict.js';

const INSERT = `
  WITH planned AS (
    SELECT to_char(business_now(), 'YYYYMMDD') AS day, n, quantity
    FROM unnest($1::int[], $2::bigint[]) AS planned (n, quantity)),
  told AS (
    INSERT INTO journal (occurred_at, actor, request_id, type, entity_type, entity_id, version, data)
    SELECT business_now(), 'chaos', 'chaos', 'exchange_order.placed', 'exchange_order', 'X' || day || '-' || lpad(n::text, 5, '0'), 1,
      '{"after": {"status": "pending"}}' FROM planned)
  INSERT INTO exchange_orders (id, customer_id, venue, instrument, side, type, quantity, status, placed_at, updated_at, version)
  SELECT day::bigint * 10000000000 + n, 'chaos', 'XSIM', 'DE0007164600', 'buy', 'market', quantity, 'pending', business_now(),
    business_now(), 1 FROM planned`;

/** Writes orders as if they had just been placed at the venue, and nobody had heard of it yet. */
export async function plantOrders(database: WorkedDatabase, orders: readonly PlannedOrder[]): Promise<void> {
  await database.query(INSERT, [orders.map(({ n }) => n), orders.map(({ quantity }) => quantity)]);
}

/** @param day on which it was planted: `20261121` */
export function idOf({ n }: PlannedOrder, day: string): string {
  return `X${day}-${String(n).padStart(5, '0')}`;
}
