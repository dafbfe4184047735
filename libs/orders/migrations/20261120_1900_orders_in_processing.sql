-- Few orders are in it at any time, and placing one does not touch it: for whoever looks for orders that got stuck.
CREATE INDEX orders_in_processing ON orders (updated_at) WHERE status = 'processing';
