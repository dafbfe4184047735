-- The journal, split by the month in which it was written. A unique index that spans the months would have to include
-- the time, so each month has its own; across months it is the orders' guarded update that gives a version once.
CREATE SCHEMA unpartitioned;
ALTER TABLE journal SET SCHEMA unpartitioned;

CREATE TABLE journal (LIKE unpartitioned.journal INCLUDING ALL EXCLUDING INDEXES) PARTITION BY RANGE (occurred_at);

-- Triggers for statements speak up only for the table that a statement names. Nothing is written into a month
-- directly, because there the position could be made up.
CREATE FUNCTION refuse_journal_detour() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'the journal is written as a whole, not by the month'; END $$;

INSERT INTO partitioned_tables (name, key, completion) VALUES ('journal', 'time', $$
  ALTER TABLE %1$I ADD PRIMARY KEY (position);
  CREATE UNIQUE INDEX %1$s_by_entity ON %1$I (entity_type, entity_id, version);
  CREATE TRIGGER journal_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %1$I
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_journal_change();
  CREATE TRIGGER journal_has_one_entrance BEFORE INSERT ON %1$I
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_journal_detour()$$);

SELECT make_partitions(month)
FROM (SELECT DISTINCT to_char(occurred_at AT TIME ZONE 'UTC', 'YYYYMM') FROM unpartitioned.journal) AS found (month);

INSERT INTO journal OVERRIDING SYSTEM VALUE SELECT * FROM unpartitioned.journal ORDER BY position;
-- Behind the last position that was ever given, not only behind the highest that is left.
SELECT setval(pg_get_serial_sequence('journal', 'position'), last_value, is_called)
FROM unpartitioned.journal_position_seq;

CREATE TRIGGER journal_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON journal
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_journal_change();

DROP TABLE unpartitioned.journal;
DROP SCHEMA unpartitioned;
