-- id is the order number as one integer: the business day times 10^10, plus the number within the day.
CREATE TABLE orders (
  id                 bigint      PRIMARY KEY,
  customer_id        text        NOT NULL,
  client_order_id    text,
  status             text        NOT NULL CHECK (status IN
    ('pending', 'processing', 'confirmed', 'shipped', 'delivered', 'cancelled', 'failed')),
  priority           text        NOT NULL CHECK (priority IN ('normal', 'high')),
  currency           text        NOT NULL,
  total_cents        bigint      NOT NULL CHECK (total_cents >= 0),
  processing_time_ms integer,
  reservation_id     uuid,
  placed_at          timestamptz NOT NULL,
  updated_at         timestamptz NOT NULL,
  version            integer     NOT NULL CHECK (version >= 1)
) WITH (fillfactor = 90);
CREATE INDEX orders_by_customer ON orders (customer_id, id);

-- No foreign keys from here to orders and products: an order and its lines are written by one statement of one
-- transaction, nothing deletes either, and the per-row check costs the placement path (see docs/adr/0004).
CREATE TABLE order_lines (
  order_id         bigint   NOT NULL,
  line_no          smallint NOT NULL,
  product_id       integer  NOT NULL,
  name             text     NOT NULL,
  quantity         integer  NOT NULL CHECK (quantity > 0),
  unit_price_cents bigint   NOT NULL CHECK (unit_price_cents >= 0),
  PRIMARY KEY (order_id, line_no)
);

-- Which warehouse holds how much of a line. A claim on stock while its order is pending, processing or confirmed.
CREATE TABLE order_allocations (
  order_id     bigint   NOT NULL,
  line_no      smallint NOT NULL,
  warehouse_id integer  NOT NULL,
  quantity     integer  NOT NULL CHECK (quantity > 0),
  PRIMARY KEY (order_id, line_no, warehouse_id)
);

-- A table of its own, because a unique index on a table partitioned by order number could not span its partitions.
CREATE TABLE client_order_ids (
  customer_id     text   NOT NULL,
  client_order_id text   NOT NULL,
  order_id        bigint NOT NULL,
  PRIMARY KEY (customer_id, client_order_id)
);
