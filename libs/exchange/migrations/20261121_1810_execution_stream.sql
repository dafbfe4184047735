-- How far each part of a venue's stream of execution reports has been applied. An order's reports are all in one part,
-- so that its sequence is kept however many consumers there are.
CREATE TABLE execution_offsets (
  venue       text   NOT NULL,
  partition   int    NOT NULL,
  -- Every report of this part up to this sequence number is applied, parked or quarantined.
  applied     bigint NOT NULL DEFAULT 0,
  -- Set to the same while what comes next is not to be had: the bus has lost it, and the venue has to send again.
  lost_after  bigint,
  -- What that was so far: transactions, and reports by what became of them. They only grow.
  batches     bigint NOT NULL DEFAULT 0,
  recorded    bigint NOT NULL DEFAULT 0,
  duplicates  bigint NOT NULL DEFAULT 0,
  parked      bigint NOT NULL DEFAULT 0,
  quarantined bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (venue, partition)
-- Changed with every batch, in place.
) WITH (fillfactor = 50);

-- How far the stream has been received, and how often it had to be begun again, since ever.
CREATE TABLE execution_streams (
  venue       text   PRIMARY KEY,
  received    bigint NOT NULL DEFAULT 0,
  connections bigint NOT NULL DEFAULT 0,
  -- When it was last read with nothing missing, and passed on, about once a second; at first, when it was first heard of.
  flowing_at  timestamptz NOT NULL DEFAULT business_now()
) WITH (fillfactor = 50);

-- When the stream had been received up to where, about once a second while something comes; what lies before the first
-- that is not applied is forgotten. How old what waits is can be told from that by one clock.
CREATE TABLE execution_marks (
  venue       text        NOT NULL,
  sequence    bigint      NOT NULL,
  received_at timestamptz NOT NULL DEFAULT business_now(),
  PRIMARY KEY (venue, sequence)
);

-- What has been received and is not applied yet, when the database is the bus: stretches of the stream by their parts, each
-- with the JSON of all its reports, so that a report costs no row. Written once and deleted soon.
CREATE TABLE execution_inbox (
  partition int    NOT NULL,
  -- Whatever there is of the part with after < sequence <= through.
  after     bigint NOT NULL,
  through   bigint NOT NULL,
  reports   text   NOT NULL,
  -- How many they are: known without reading them.
  count     int    NOT NULL,
  PRIMARY KEY (partition, after, through)
);
-- Compressing takes longer than writing it down, and it is gone in a moment.
ALTER TABLE execution_inbox ALTER COLUMN reports SET STORAGE EXTERNAL;

-- Reports of orders that are not known (yet).
CREATE TABLE parked_executions (
  venue     text        NOT NULL,
  exec_id   text        NOT NULL,
  -- What the ClOrdID stands for; there may never be such an order.
  order_id  bigint      NOT NULL,
  sequence  bigint      NOT NULL,
  report    jsonb       NOT NULL,
  parked_at timestamptz NOT NULL DEFAULT business_now(),
  -- As of those that are applied: an ExecID counts once for each order.
  PRIMARY KEY (venue, order_id, exec_id)
);
CREATE INDEX parked_executions_by_age ON parked_executions (parked_at);

-- Reports that cannot be true: more filled than was ordered, a fill of an order that has ended. Never applied; a person decides.
CREATE TABLE quarantined_executions (
  venue          text        NOT NULL,
  exec_id        text        NOT NULL,
  -- The ClOrdID as the venue has it.
  order_ref      text        NOT NULL,
  sequence       bigint      NOT NULL,
  reason         text        NOT NULL,
  report         jsonb       NOT NULL,
  quarantined_at timestamptz NOT NULL DEFAULT business_now(),
  PRIMARY KEY (venue, order_ref, exec_id)
);
