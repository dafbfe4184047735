-- An answer that is given while the outcome is not known yet, and is replaced by the final one at most once.
ALTER TABLE idempotency_keys ADD COLUMN provisional boolean NOT NULL DEFAULT false;
