-- One order in one transaction, as a good engineer writes it for pgbench: prepared, one round trip a
-- statement, and no more statements than the decision needs. The rows are those that Daybook writes; their
-- texts are constants of a real answer's length, so that the database is not slowed by building them.
-- Given from outside: :day, and :lowest and :highest, the products to choose from (the same twice for the hot
-- product). Once in 5,000 times both draws name one product; that order has one line.
\set a random(:lowest, :highest)
\set b random(:lowest, :highest)
\set first least(:a, :b)
\set second greatest(:a, :b)
\set customer random(1, 500)
BEGIN;
WITH locked AS (
  SELECT product_id, on_hand - reserved - allocated AS available
  FROM stock_levels
  WHERE product_id IN (:first, :second) AND warehouse_id = 1
  ORDER BY product_id
  FOR NO KEY UPDATE)
SELECT :day * 10000000000 + nextval('order_number_' || :day) AS id, sum(price_cents) AS total
FROM locked JOIN products ON products.id = product_id
WHERE available >= 1 \gset
INSERT INTO orders (id, customer_id, status, priority, currency, total_cents, placed_at, updated_at, version)
VALUES (:id, 'customer-' || :customer, 'pending', 'normal', 'USD', :total, now(), now(), 1);
WITH lines AS (
  INSERT INTO order_lines (order_id, line_no, product_id, name, quantity, unit_price_cents)
  SELECT :id, CASE id WHEN :first THEN 1 ELSE 2 END, id, name, 1, price_cents
  FROM products WHERE id IN (:first, :second)
  RETURNING order_id, line_no, quantity)
INSERT INTO order_allocations (order_id, line_no, warehouse_id, quantity)
SELECT order_id, line_no, 1, quantity FROM lines;
UPDATE stock_levels SET allocated = allocated + 1 WHERE product_id IN (:first, :second) AND warehouse_id = 1;
INSERT INTO idempotency_keys (caller, key, fingerprint, status, location, etag, body)
VALUES ('customer-' || :customer, gen_random_uuid()::text, repeat('f', 44), 201, '/api/v1/orders/' || :id,
  '"1"', repeat('b', 570));
INSERT INTO journal (occurred_at, actor, request_id, type, entity_type, entity_id, version, data)
VALUES (now(), 'customer-' || :customer, gen_random_uuid()::text, 'order.placed', 'order', :id::text, 1,
  '{"after": {"status": "pending", "customerId": "customer-0001", "priority": "normal", "currency": "USD",
    "totalCents": 12345, "lines": [{"sku": "SKU-00001", "quantity": 1, "unitPriceCents": 1234},
      {"sku": "SKU-00002", "quantity": 1, "unitPriceCents": 1234}]}}');
COMMIT;
