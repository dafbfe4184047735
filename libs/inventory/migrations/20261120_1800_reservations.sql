-- A promise of stock for a while. What it promises never changes, so its lines are one value; the warehouses are in it.
-- After expires_at it promises nothing, whatever its status still says (see stock_holds).
CREATE TABLE reservations (
  id          uuid        PRIMARY KEY,
  customer_id text        NOT NULL,
  status      text        NOT NULL CHECK (status IN ('active', 'consumed', 'released', 'expired')),
  lines       jsonb       NOT NULL,
  expires_at  timestamptz NOT NULL,
  order_id    text,
  created_at  timestamptz NOT NULL,
  updated_at  timestamptz NOT NULL,
  version     integer     NOT NULL CHECK (version >= 1),
  CHECK ((order_id IS NOT NULL) = (status = 'consumed'))
);
CREATE INDEX reservations_due ON reservations (expires_at) WHERE status = 'active';

-- The claims of reservations on stock: stock_levels.reserved is the sum of these rows, always. A claim ends by its row
-- being deleted, so it cannot end twice. The table stays as small as what is on hold, however long the history.
-- Whoever inserts, changes or deletes a row has locked the stock level it is about.
CREATE TABLE stock_holds (
  reservation_id uuid        NOT NULL,
  product_id     integer     NOT NULL,
  warehouse_id   integer     NOT NULL,
  quantity       integer     NOT NULL CHECK (quantity > 0),
  expires_at     timestamptz NOT NULL,
  PRIMARY KEY (reservation_id, product_id, warehouse_id)
);
-- For whoever runs short of a product: which of its holds are overdue.
CREATE INDEX stock_holds_due ON stock_holds (product_id, expires_at);
