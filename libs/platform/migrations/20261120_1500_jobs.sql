-- What runs by the clock: one row per job, one holder at a time over all processes.
-- Times are whole milliseconds, so that what a process has read it can name again in a compare-and-set.
CREATE TABLE jobs (
  name        text           PRIMARY KEY,
  schedule    text           NOT NULL,
  next_run_at timestamptz(3) NOT NULL,
  -- Counts the runs. Whoever holds a lower one than this has been succeeded, and writes nothing any more.
  fence       bigint         NOT NULL DEFAULT 0,
  -- The process whose run is under way; null when none is.
  holder      text,
  -- Null when the last run has ended. In the past: that run was abandoned, and has to be done again.
  lease_until timestamptz(3),
  succeeded   bigint         NOT NULL DEFAULT 0,
  failed      bigint         NOT NULL DEFAULT 0,
  abandoned   bigint         NOT NULL DEFAULT 0
);

CREATE TABLE job_runs (
  id            bigint         GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  job           text           NOT NULL,
  fence         bigint         NOT NULL,
  trigger       text           NOT NULL CHECK (trigger IN ('schedule', 'manual')),
  -- Who asked for it by hand.
  requested_by  text,
  -- The tick it is for; null when it was asked for by hand.
  scheduled_for timestamptz(3),
  started_at    timestamptz(3) NOT NULL,
  finished_at   timestamptz(3),
  result        text           NOT NULL DEFAULT 'running'
    CHECK (result IN ('running', 'succeeded', 'failed', 'abandoned')),
  rows          bigint         NOT NULL DEFAULT 0,
  error         text,
  UNIQUE (job, fence)
);

-- Keys are purged by age, and their age is told by the clock that everything else is told by.
ALTER TABLE idempotency_keys ALTER COLUMN created_at SET DEFAULT business_now();
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
