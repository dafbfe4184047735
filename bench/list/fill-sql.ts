// What one order of the filled database looks like: everything follows from its ordinal k, so that every fill of a size
// makes the same orders.

/** SQL for a number from 0 up to 1 that looks random: always the same one for an ordinal and a purpose. */
function drawn(purpose: string): string {
  return `((hashint8extended(k, ${purpose}) & 9007199254740991) / 9007199254740992.0::float8)`;
}

/** SQL for a rank from 1 to `many`: the first gets a few percent, and the tail is long. */
function ranked(draw: string, many: string): string {
  return `least(${many}, 1 + floor(2 * power((${many} + 2) / 2.0::float8, ${draw}) - 2)::int)`;
}

function path(...statuses: string[]): string {
  return `'{${statuses.join()}}'::text[]`;
}

const STATUS = 'path[cardinality(path)]';

// How it came to the status the order has: old orders are done with, and the newest wait.
const PATH = `
  CASE
    WHEN k > $5 - 2 * $6::bigint AND ${drawn('1')} < 0.5 THEN ${path('pending')}
    WHEN k > $5 - 2 * $6::bigint AND ${drawn('1')} < 0.5 + 4.0 / $6 THEN ${path('pending', 'processing')}
    WHEN ${drawn('2')} < 0.03 THEN ${path('pending', 'cancelled')}
    WHEN ${drawn('2')} < 0.06 THEN ${path('pending', 'processing', 'confirmed', 'cancelled')}
    WHEN ${drawn('2')} < 0.07 THEN ${path('pending', 'processing', 'failed')}
    WHEN ${drawn('2')} > 0.95 - CASE WHEN age > 10 THEN 0 WHEN age > 3 THEN 0.5 ELSE 0.88 END
      THEN CASE WHEN ${drawn('3')} < 0.4 THEN ${path('pending', 'processing', 'confirmed')}
        ELSE ${path('pending', 'processing', 'confirmed', 'shipped')} END
    ELSE ${path('pending', 'processing', 'confirmed', 'shipped', 'delivered')}
  END`;

/** SQL for the moment of the step `status` on an order's path. The latest ones may not be over yet. */
function momentOf(status: string): string {
  return `date_trunc('milliseconds', least($9::timestamptz, placed_at + interval '1 second' * CASE ${status}
    WHEN 'pending' THEN 0
    WHEN 'processing' THEN 5 + 25 * ${drawn('4')}
    WHEN 'confirmed' THEN 60 + 60 * ${drawn('4')}
    WHEN 'failed' THEN 60 + 60 * ${drawn('4')}
    WHEN 'cancelled' THEN CASE cardinality(path) WHEN 2 THEN 3 ELSE 1800 + 5400 * ${drawn('4')} END
    WHEN 'shipped' THEN 7200 + 72000 * ${drawn('4')}
    ELSE 129600 + 259200 * ${drawn('4')} END))`;
}

// $1 to $4: days, their orders, the orders before them, their age. $5: all orders. $6: how many of them are pending.
// $7: customers. $8: products. $9: now. $10: the journal's last position. $11: whether it has every step of an order.
const DRAWN = `
  SELECT k, day * 10000000000 + n AS id, placed_at, ${PATH} AS path,
    'customer-' || lpad(${ranked(drawn('5'), '$7::int')}::text, 6, '0') AS customer_id,
    CASE WHEN ${drawn('6')} < 0.333 THEN 'PO-' || k END AS client_order_id,
    CASE WHEN ${drawn('7')} < 0.1 THEN 'high' ELSE 'normal' END AS priority,
    CASE WHEN ${drawn('8')} < 0.5 THEN 1 WHEN ${drawn('8')} < 0.8 THEN 2 ELSE 3 END AS line_count,
    CASE WHEN ${drawn('9')} < 0.85 THEN 'main' ELSE 'north' END AS warehouse
  FROM (
    SELECT days.*, n, before + n AS k, (n - 0.5) / orders AS share
    FROM unnest($1::bigint[], $2::int[], $3::bigint[], $4::int[]) AS days (day, orders, before, age),
      generate_series(1, orders) AS n) AS numbered,
    -- Busy around noon.
    LATERAL (SELECT date_trunc('milliseconds', to_date(day::text, 'YYYYMMDD')::timestamp AT TIME ZONE 'UTC'
      + interval '1 day' * (share + 0.7 * sin(2 * pi() * share) / (2 * pi()))) AS placed_at) AS timed`;

const LINES = `
  SELECT drawn.id, line_no, product.id AS product_id, product.sku, product.name, warehouse.id AS warehouse_id, ${STATUS} AS status,
    CASE WHEN ${drawn('10 * line_no + 1')} < 0.03 THEN 10 ELSE 1 + floor(3 * ${drawn('10 * line_no + 1')} ^ 2)::int END
      AS quantity,
    -- Prices change with the months.
    greatest(1, round(product.price_cents * (0.9 + (drawn.id / 1000000000000 * product.id) % 21 / 100.0)))::bigint
      AS unit_price_cents
  FROM drawn CROSS JOIN LATERAL generate_series(1, line_count) AS line_no
  JOIN products product ON product.id = ${ranked(drawn('10 * line_no + 2'), '$8::int')}
  JOIN warehouses warehouse ON warehouse.code = drawn.warehouse`;

const WRITTEN = `
  ordered AS (
    INSERT INTO orders (id, customer_id, client_order_id, status, priority, currency, total_cents, placed_at, updated_at,
      version)
    SELECT id, customer_id, client_order_id, ${STATUS}, priority, 'USD', total_cents, placed_at, ${momentOf(STATUS)},
      cardinality(path)
    FROM drawn JOIN totals USING (id) ORDER BY id),
  lined AS (
    INSERT INTO order_lines (order_id, line_no, product_id, name, quantity, unit_price_cents)
    SELECT id, line_no, product_id, name, quantity, unit_price_cents FROM lines ORDER BY id, line_no),
  allocated AS (
    INSERT INTO order_allocations (order_id, line_no, warehouse_id, quantity)
    SELECT id, line_no, warehouse_id, quantity FROM lines ORDER BY id, line_no),
  named AS (
    INSERT INTO client_order_ids (customer_id, client_order_id, order_id)
    SELECT customer_id, client_order_id, id FROM drawn WHERE client_order_id IS NOT NULL),
  journaled AS (
    INSERT INTO journal (position, occurred_at, actor, request_id, type, entity_type, entity_id, version, data)
    OVERRIDING SYSTEM VALUE
    SELECT $10 + (k - 1) * 5 + version, ${momentOf('path[version]')}, customer_id, 'fill',
      CASE version WHEN 1 THEN 'order.placed' ELSE 'order.status_changed' END, 'order',
      id / 10000000000 || '-' || lpad((id % 10000000000)::text, greatest(5, length((id % 10000000000)::text)), '0'),
      version,
      CASE version
        WHEN 1 THEN format('{"after": {"status": "pending", "customerId": "%s", "priority": "%s", "currency": "USD", '
          '"totalCents": %s, "lines": [%s]}}', customer_id, priority, total_cents, told_lines)
        ELSE format('{"before": {"status": "%s"}, "after": {"status": "%s"}}', path[version - 1], path[version])
      END::jsonb
    FROM drawn JOIN totals USING (id),
      generate_series(1, CASE WHEN $11::boolean THEN cardinality(path) ELSE 1 END) AS version
    ORDER BY id, version)`;

/** Makes the orders of some days, and notes in `taken` what they do to the stock. */
export const FILL_PORTION = `
  WITH drawn AS MATERIALIZED (${DRAWN}),
  lines AS MATERIALIZED (${LINES}),
  totals AS MATERIALIZED (
    -- JSON as text, because building it of values takes three times as long.
    SELECT id, sum(quantity * unit_price_cents)::bigint AS total_cents, string_agg(
      format('{"sku": "%s", "quantity": %s, "unitPriceCents": %s}', sku, quantity, unit_price_cents), ', '
      ORDER BY line_no) AS told_lines
    FROM lines GROUP BY id),
  ${WRITTEN}
  INSERT INTO taken (product_id, warehouse_id, claimed, shipped)
  SELECT product_id, warehouse_id, sum(quantity) FILTER (WHERE status IN ('pending', 'processing', 'confirmed')),
    sum(quantity) FILTER (WHERE status IN ('shipped', 'delivered'))
  FROM lines GROUP BY product_id, warehouse_id`;

export const NOTE_WHAT_IS_TAKEN = `
  CREATE TEMP TABLE taken (product_id integer, warehouse_id integer, claimed bigint, shipped bigint)`;

/** Lets the stock know of it: one movement for all that left a shelf. Others who do so at the same time wait. */
export const TAKE_FROM_STOCK = `
  LOCK TABLE stock_levels IN SHARE ROW EXCLUSIVE MODE;
  WITH total AS (
    SELECT product_id, warehouse_id, coalesce(sum(claimed), 0) AS claimed, coalesce(sum(shipped), 0) AS shipped
    FROM taken GROUP BY product_id, warehouse_id),
  moved AS (
    INSERT INTO stock_movements (product_id, warehouse_id, kind, quantity_delta, reason, occurred_at)
    SELECT product_id, warehouse_id, 'shipped', -shipped, 'shipped', business_now() FROM total WHERE shipped > 0)
  UPDATE stock_levels level SET allocated = allocated + claimed, on_hand = on_hand - shipped
  FROM total WHERE level.product_id = total.product_id AND level.warehouse_id = total.warehouse_id`;

/** Log-normal prices: most around 25 dollars, a few for hundreds. */
export const PRICE_PRODUCTS = `
  UPDATE products SET price_cents = greatest(99, round(exp(ln(2500) + 0.9 * z)))
  FROM (SELECT k, sqrt(-2 * ln(1 - ${drawn('1')})) * cos(2 * pi() * ${drawn('2')}) AS z
        FROM (SELECT id::bigint AS k FROM products) AS product) AS priced
  WHERE priced.k = products.id`;

/** What metrics and reports count from. */
export const COUNT_ORDERS = `
  INSERT INTO order_counts (month, priority, status, count)
  SELECT (id / 1000000000000)::text, priority, status, count(*) FROM orders GROUP BY 1, 2, 3`;
