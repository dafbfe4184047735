-- Orders that are placed at a venue. id is the number of the series X as one integer, like that of orders.
CREATE TABLE exchange_orders (
  id                bigint      NOT NULL,
  customer_id       text        NOT NULL,
  client_order_id   text,
  -- Where it is placed; its executions are told apart by their ExecID within this venue.
  venue             text        NOT NULL,
  instrument        text        NOT NULL,
  side              text        NOT NULL CHECK (side IN ('buy', 'sell')),
  type              text        NOT NULL CHECK (type IN ('market', 'limit')),
  quantity          bigint      NOT NULL CHECK (quantity > 0),
  limit_price_cents bigint      CHECK (limit_price_cents > 0),
  status            text        NOT NULL CHECK (status IN ('pending', 'created', 'partially_filled', 'filled',
    'cancel_pending', 'cancelled', 'rejected', 'expired', 'failed')),
  -- Why it was rejected, expired or failed, or why a wish to cancel was refused.
  reason            text,
  cum_quantity      bigint      NOT NULL DEFAULT 0,
  -- The sum of quantity times price over its fills. Exact: the average price is divided from it only when it is shown.
  traded_cents      numeric(20) NOT NULL DEFAULT 0 CHECK (traded_cents >= 0),
  placed_at         timestamptz NOT NULL,
  updated_at        timestamptz NOT NULL,
  version           integer     NOT NULL CHECK (version >= 1),
  -- When the venue was last asked about an order whose fate is not known, and how often it has been.
  asked_at          timestamptz,
  asked             integer     NOT NULL DEFAULT 0,
  PRIMARY KEY (id),
  -- The venue never fills more than was ordered; a report that says so is quarantined.
  CHECK (cum_quantity BETWEEN 0 AND quantity),
  CHECK ((type = 'limit') = (limit_price_cents IS NOT NULL))
) PARTITION BY RANGE (id);
CREATE INDEX exchange_orders_by_customer ON exchange_orders (customer_id, id);
CREATE INDEX exchange_orders_by_instrument ON exchange_orders (instrument, id);
-- Also for those whose fate the venue still has to tell, of which there are few at a time.
CREATE INDEX exchange_orders_by_status ON exchange_orders (status, id);

-- A table of its own, because a unique index on a table that is split into months could not span them.
CREATE TABLE exchange_client_order_ids (
  client_order_id text   NOT NULL,
  customer_id     text   NOT NULL,
  order_id        bigint NOT NULL,
  PRIMARY KEY (client_order_id, customer_id)
);

-- What the venue has reported of an order, each report once and for ever: an ExecID is looked for among those of its
-- order, which are all in one month. Written only under the lock of the order.
CREATE TABLE executions (
  order_id    bigint      NOT NULL,
  exec_id     text        NOT NULL,
  type        text        NOT NULL CHECK (type IN ('new', 'trade', 'cancelled', 'rejected', 'expired', 'cancel_rejected')),
  -- Its place in the venue's stream.
  sequence    bigint      NOT NULL,
  -- Of a trade.
  quantity    bigint      CHECK (quantity > 0),
  price_cents bigint      CHECK (price_cents > 0),
  executed_at timestamptz NOT NULL,
  PRIMARY KEY (order_id, exec_id),
  CHECK ((type = 'trade') = (quantity IS NOT NULL) AND (type = 'trade') = (price_cents IS NOT NULL))
) PARTITION BY RANGE (order_id);

-- Orders are changed many times over, in place as long as there is room in their page.
INSERT INTO partitioned_tables (name, key, part_of, completion) VALUES
  ('exchange_orders', 'number', NULL, 'ALTER TABLE %1$I SET (fillfactor = 70)'),
  ('executions', 'number', 'exchange_orders', '');
