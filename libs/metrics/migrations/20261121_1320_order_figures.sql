-- What has happened to orders since the last folding: a few rows for each batch of changes, written by its transaction.
-- Rows are only added, so no two batches wait for each other.
CREATE TABLE order_tallies (
  id          bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- The business day on which it happened.
  day         date    NOT NULL,
  -- The month of the orders' numbers, YYYYMM.
  month       text    NOT NULL,
  priority    text    NOT NULL,
  -- Null: they were placed.
  from_status text,
  to_status   text    NOT NULL,
  -- Of the attempt that ended with it; null when none did.
  outcome     text,
  count       integer NOT NULL,
  -- How long those attempts took, to three digits, and the exact sum.
  times_ms    bigint[] NOT NULL,
  total_ms    bigint  NOT NULL
);

-- How many orders there are: all that ever were, also those of months that were detached.
CREATE TABLE order_counts (
  month    text   NOT NULL,
  priority text   NOT NULL,
  status   text   NOT NULL,
  count    bigint NOT NULL,
  PRIMARY KEY (month, priority, status)
);

-- What happened on a business day (2026-11-20), and since the last report ('interval').
CREATE TABLE order_moves (
  period      text   NOT NULL,
  priority    text   NOT NULL,
  from_status text,
  to_status   text   NOT NULL,
  outcome     text,
  count       bigint NOT NULL,
  total_ms    bigint NOT NULL,
  UNIQUE NULLS NOT DISTINCT (period, priority, from_status, to_status, outcome)
);

-- How many attempts of a period took how long, to three digits: some thousand rows at most, however many attempts.
CREATE TABLE order_times (
  period   text    NOT NULL,
  priority text    NOT NULL,
  ms       bigint NOT NULL,
  count    bigint  NOT NULL,
  PRIMARY KEY (period, priority, ms)
);

CREATE TABLE reports (
  id      bigint         GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  from_at timestamptz(3) NOT NULL,
  to_at   timestamptz(3) NOT NULL CHECK (to_at >= from_at),
  figures json           NOT NULL
);

-- When the first interval begins.
INSERT INTO settings (name, value) VALUES ('reports_since', business_now()::text);

-- The orders there are already. Nobody may place or move one between the count and the first tally.
LOCK TABLE orders IN SHARE ROW EXCLUSIVE MODE;
INSERT INTO order_counts (month, priority, status, count)
SELECT (id / 1000000000000)::text, priority, status, count(*) FROM orders GROUP BY 1, 2, 3;
