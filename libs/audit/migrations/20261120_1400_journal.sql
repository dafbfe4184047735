-- The book of original entry: one row per change, written by the transaction that made the change, never altered.
-- xid lets a reader tell which rows could still be overtaken by a transaction that is open now.
CREATE TABLE journal (
  position    bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  xid         xid8        NOT NULL DEFAULT pg_current_xact_id(),
  occurred_at timestamptz NOT NULL,
  actor       text        NOT NULL,
  request_id  text        NOT NULL,
  type        text        NOT NULL,
  entity_type text        NOT NULL,
  entity_id   text        NOT NULL,
  version     integer,
  data        jsonb       NOT NULL
);

-- Serves the audit trail of one entity, and makes a second row for the same version impossible.
CREATE UNIQUE INDEX journal_by_entity ON journal (entity_type, entity_id, version);

CREATE FUNCTION refuse_journal_change() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'the journal is append-only'; END $$;

CREATE TRIGGER journal_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON journal
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_journal_change();
