-- The one place that tells the business time. Tests move a whole database in time by replacing it.
-- clock_timestamp(), not now(): a batch that waited for a lock across midnight belongs to the new day.
CREATE FUNCTION business_now() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE
AS $$ SELECT clock_timestamp() $$;

-- Answers already given, so that a retry gets the same answer instead of a second effect.
-- A row is written by the transaction that made the change, never before and never after it.
CREATE TABLE idempotency_keys (
  caller      text        NOT NULL,
  key         text        NOT NULL,
  fingerprint text        NOT NULL,
  status      smallint    NOT NULL,
  location    text,
  etag        text,
  body        text        NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (caller, key)
);

-- Values every replica must agree on and nobody has to configure.
CREATE TABLE settings (
  name  text PRIMARY KEY,
  value text NOT NULL
);

INSERT INTO settings (name, value)
VALUES ('cursor_secret', replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''));
