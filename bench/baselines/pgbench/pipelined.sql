-- The same rows as in statements.sql, but everything is sent at once and costs one round trip. Nothing can be
-- decided on what was read, so the CHECK constraint on stock_levels decides: the least that an order can cost
-- one at a time. (One statement of data-modifying CTEs measured the same.)
\set a random(:lowest, :highest)
\set b random(:lowest, :highest)
\set first least(:a, :b)
\set second greatest(:a, :b)
\set customer random(1, 500)
\startpipeline
BEGIN;
SELECT FROM stock_levels
WHERE product_id IN (:first, :second) AND warehouse_id = 1
ORDER BY product_id
FOR NO KEY UPDATE;
INSERT INTO orders (id, customer_id, status, priority, currency, total_cents, placed_at, updated_at, version)
SELECT :day * 10000000000 + nextval('order_number_' || :day), 'customer-' || :customer, 'pending', 'normal',
  'USD', sum(price_cents), now(), now(), 1
FROM products WHERE id IN (:first, :second);
WITH lines AS (
  INSERT INTO order_lines (order_id, line_no, product_id, name, quantity, unit_price_cents)
  SELECT :day * 10000000000 + currval('order_number_' || :day), CASE id WHEN :first THEN 1 ELSE 2 END,
    id, name, 1, price_cents
  FROM products WHERE id IN (:first, :second)
  RETURNING order_id, line_no, quantity)
INSERT INTO order_allocations (order_id, line_no, warehouse_id, quantity)
SELECT order_id, line_no, 1, quantity FROM lines;
UPDATE stock_levels SET allocated = allocated + 1 WHERE product_id IN (:first, :second) AND warehouse_id = 1;
INSERT INTO idempotency_keys (caller, key, fingerprint, status, location, etag, body)
VALUES ('customer-' || :customer, gen_random_uuid()::text, repeat('f', 44), 201,
  '/api/v1/orders/' || currval('order_number_' || :day), '"1"', repeat('b', 570));
INSERT INTO journal (occurred_at, actor, request_id, type, entity_type, entity_id, version, data)
VALUES (now(), 'customer-' || :customer, gen_random_uuid()::text, 'order.placed', 'order',
  :day || '-' || currval('order_number_' || :day), 1,
  '{"after": {"status": "pending", "customerId": "customer-0001", "priority": "normal", "currency": "USD",
    "totalCents": 12345, "lines": [{"sku": "SKU-00001", "quantity": 1, "unitPriceCents": 1234},
      {"sku": "SKU-00002", "quantity": 1, "unitPriceCents": 1234}]}}');
COMMIT;
\endpipeline
