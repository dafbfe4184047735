-- What one process at a time may do for as long as it likes: one row per thing, one holder at a time over all processes.
CREATE TABLE leases (
  name        text           PRIMARY KEY,
  -- Counts the holders. Whoever holds a lower one than this has been succeeded, and writes nothing any more.
  fence       bigint         NOT NULL DEFAULT 1,
  -- The process that holds it; null when it was released.
  holder      text,
  lease_until timestamptz(3)
-- Renewed all the time, in place.
) WITH (fillfactor = 50);
