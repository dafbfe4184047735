-- The gapless strategy's counters: one row per series and day, locked by the transaction that uses the numbers.
CREATE TABLE number_counters (
  series text   NOT NULL,
  day    integer NOT NULL CHECK (day BETWEEN 19700101 AND 99991231),
  last   bigint NOT NULL CHECK (last >= 0),
  PRIMARY KEY (series, day)
);
