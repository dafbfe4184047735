-- How far each part of a venue's stream of execution reports has been applied. An order's reports are all in one part,
-- so that its sequence is kept however many consumers there are.
CREATE TABLE execution_offsets (
  venue     text   NOT NULL,
  partition int    NOT NULL,
  -- Every report of this part up to this sequence number is applied, parked or quarantined.
  applied   bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (venue, partition)
);

-- Reports of orders that are not known (yet).
CREATE TABLE parked_executions (
  venue     text        NOT NULL,
  exec_id   text        NOT NULL,
  -- The ClOrdID as the venue has it.
  order_ref text        NOT NULL,
  sequence  bigint      NOT NULL,
  report    jsonb       NOT NULL,
  parked_at timestamptz NOT NULL DEFAULT business_now(),
  PRIMARY KEY (venue, exec_id)
);
CREATE INDEX parked_executions_by_order ON parked_executions (order_ref, sequence);

-- Reports that cannot be true: more filled than was ordered, a fill of an order that has ended. Never applied; a person decides.
CREATE TABLE quarantined_executions (
  venue          text        NOT NULL,
  exec_id        text        NOT NULL,
  order_ref      text        NOT NULL,
  sequence       bigint      NOT NULL,
  reason         text        NOT NULL,
  report         jsonb       NOT NULL,
  quarantined_at timestamptz NOT NULL DEFAULT business_now(),
  PRIMARY KEY (venue, exec_id)
);
