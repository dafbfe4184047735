-- Tables that grow with every order are split into months: a statement about one order costs the same however long the
-- history is, and an old month leaves in one step. There is no default partition: making a month would have to search
-- it, under a lock that keeps everybody else out.
CREATE TABLE partitioned_tables (
  name       text PRIMARY KEY,
  -- What tells the month of a row: its order number (of the business day) or the time it happened (months of UTC).
  key        text NOT NULL CHECK (key IN ('number', 'time')),
  -- The table whose rows these rows belong to: its months are detached first.
  part_of    text REFERENCES partitioned_tables,
  -- SQL for what a table cannot hand down to its partitions; %1$I is the partition's name.
  completion text NOT NULL DEFAULT ''
);

-- The month, as YYYYMM, of a row with this value in its key. A month's partitions end with it: orders_202611.
CREATE FUNCTION month_of_row(table_name text, key_value text) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
  CASE (SELECT key FROM partitioned_tables WHERE name = table_name)
    WHEN 'number' THEN RETURN key_value::bigint / 1000000000000;
    WHEN 'time' THEN RETURN to_char(key_value::timestamptz AT TIME ZONE 'UTC', 'YYYYMM');
    ELSE RAISE EXCEPTION 'table % is not among partitioned_tables', table_name;
  END CASE;
END $$;

-- Makes the table of a month a partition: a new one, or one that was detached.
CREATE FUNCTION attach_partition(table_name text, month text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  starts timestamp := to_date(month || '01', 'YYYYMMDD');
  ends   timestamp := starts + interval '1 month';
  bounds text;
BEGIN
  CASE (SELECT key FROM partitioned_tables WHERE name = table_name)
    WHEN 'number' THEN
      bounds := format('FROM (%s0000000000) TO (%s0000000000)', to_char(starts, 'YYYYMMDD'), to_char(ends, 'YYYYMMDD'));
    WHEN 'time' THEN
      bounds := format('FROM (%L) TO (%L)', starts AT TIME ZONE 'UTC', ends AT TIME ZONE 'UTC');
  END CASE;
  EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES %s', table_name, table_name || '_' || month, bounds);
END $$;

-- Makes what is missing of a month, and tells the names. A table is made first and attached then: that lets everybody
-- else read and write, which CREATE TABLE … PARTITION OF would not.
CREATE FUNCTION make_partitions(month text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
  parent partitioned_tables;
  child  text;
BEGIN
  -- Others who lack the same month wait here until it is made.
  PERFORM pg_advisory_xact_lock(hashtextextended('make_partitions', 0));
  FOR parent IN SELECT * FROM partitioned_tables ORDER BY name LOOP
    child := parent.name || '_' || month;
    CONTINUE WHEN EXISTS (SELECT FROM pg_inherits
      WHERE inhparent = parent.name::regclass AND inhrelid = to_regclass(child) AND NOT inhdetachpending);
    -- Its numbers may be taken by rows that are out of sight: a clock that was put back must not give them again.
    IF parent.key = 'number' AND month <= (SELECT value FROM settings WHERE name = 'detached_until') THEN
      RAISE EXCEPTION '% was detached and is not made again: is the clock right?', child;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL EXCLUDING IDENTITY)', child, parent.name);
    EXECUTE format(parent.completion, child);
    PERFORM attach_partition(parent.name, month);
    RETURN NEXT child;
  END LOOP;
END $$;

-- Where months that are no longer needed are put, for the operator to dump and drop.
CREATE SCHEMA IF NOT EXISTS detached;
