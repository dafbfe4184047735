CREATE TABLE products (
  id          integer     GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  sku         text        NOT NULL UNIQUE,
  name        text        NOT NULL,
  price_cents bigint      NOT NULL CHECK (price_cents >= 0),
  currency    text        NOT NULL,
  active      boolean     NOT NULL DEFAULT true,
  version     integer     NOT NULL DEFAULT 1,
  created_at  timestamptz NOT NULL,
  updated_at  timestamptz NOT NULL
);

CREATE TABLE warehouses (
  id         integer     GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  code       text        NOT NULL UNIQUE,
  name       text        NOT NULL,
  priority   integer     NOT NULL,
  created_at timestamptz NOT NULL
);

INSERT INTO warehouses (code, name, priority, created_at) VALUES ('main', 'Main warehouse', 100, business_now());

-- Updated by every order, so half of each page is left free: updates stay on the page and touch no index (HOT).
CREATE TABLE stock_levels (
  product_id   integer NOT NULL REFERENCES products,
  warehouse_id integer NOT NULL REFERENCES warehouses,
  on_hand      bigint  NOT NULL,
  reserved     bigint  NOT NULL DEFAULT 0 CHECK (reserved >= 0),
  allocated    bigint  NOT NULL DEFAULT 0 CHECK (allocated >= 0),
  PRIMARY KEY (product_id, warehouse_id),
  CONSTRAINT stock_never_oversold CHECK (reserved + allocated <= on_hand)
) WITH (fillfactor = 50);

-- Every change of on_hand, ever; their sum is on_hand.
CREATE TABLE stock_movements (
  id             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  product_id     integer     NOT NULL REFERENCES products,
  warehouse_id   integer     NOT NULL REFERENCES warehouses,
  kind           text        NOT NULL CHECK (kind IN ('received', 'adjusted', 'shipped', 'returned')),
  quantity_delta bigint      NOT NULL CHECK (quantity_delta <> 0),
  reason         text        NOT NULL,
  occurred_at    timestamptz NOT NULL
);
CREATE INDEX stock_movements_by_level ON stock_movements (product_id, warehouse_id);
