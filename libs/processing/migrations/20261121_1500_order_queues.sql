-- What operators have asked of the queues. The jobs themselves live in the schema pgboss, which its package looks after.
CREATE TABLE order_queues (
  name text PRIMARY KEY,
  -- Since when no order is started from it; null: it is worked off.
  paused_at timestamptz,
  paused_by text,
  -- Since when all orders that were pending before there was a queue have their jobs; null: not yet.
  adopted_at timestamptz
);
INSERT INTO order_queues (name) VALUES ('orders'), ('orders-dead');

-- The id of an order's job, made from its stored number.
CREATE FUNCTION job_id_of(order_id bigint) RETURNS uuid LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  AS $$ SELECT lpad(to_hex(order_id), 32, '0')::uuid $$;

-- And back.
CREATE FUNCTION order_id_of(job_id uuid) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  AS $$ SELECT ('x' || right(replace(job_id::text, '-', ''), 16))::bit(64)::bigint $$;
