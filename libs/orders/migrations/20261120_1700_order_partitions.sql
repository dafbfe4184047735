-- Orders, their lines and allocations, split by the month of the order number. What there is moves into its months.
CREATE SCHEMA unpartitioned;
ALTER TABLE orders SET SCHEMA unpartitioned;
ALTER TABLE order_lines SET SCHEMA unpartitioned;
ALTER TABLE order_allocations SET SCHEMA unpartitioned;

CREATE TABLE orders (LIKE unpartitioned.orders INCLUDING ALL EXCLUDING INDEXES, PRIMARY KEY (id))
  PARTITION BY RANGE (id);
CREATE INDEX orders_by_customer ON orders (customer_id, id);
CREATE TABLE order_lines (LIKE unpartitioned.order_lines INCLUDING ALL) PARTITION BY RANGE (order_id);
CREATE TABLE order_allocations (LIKE unpartitioned.order_allocations INCLUDING ALL) PARTITION BY RANGE (order_id);

INSERT INTO partitioned_tables (name, key, part_of, completion) VALUES
  ('orders', 'number', NULL, 'ALTER TABLE %1$I SET (fillfactor = 90)'),
  ('order_lines', 'number', 'orders', ''),
  ('order_allocations', 'number', 'orders', '');

SELECT make_partitions(month::text) FROM (
  SELECT id / 1000000000000 FROM unpartitioned.orders
  UNION SELECT order_id / 1000000000000 FROM unpartitioned.order_lines
  UNION SELECT order_id / 1000000000000 FROM unpartitioned.order_allocations) AS found (month);

INSERT INTO orders SELECT * FROM unpartitioned.orders ORDER BY id;
INSERT INTO order_lines SELECT * FROM unpartitioned.order_lines ORDER BY order_id, line_no;
INSERT INTO order_allocations SELECT * FROM unpartitioned.order_allocations ORDER BY order_id, line_no;

DROP TABLE unpartitioned.orders, unpartitioned.order_lines, unpartitioned.order_allocations;
DROP SCHEMA unpartitioned;
