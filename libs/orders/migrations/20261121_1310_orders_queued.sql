-- Who has waited longest, of each priority: one look at the front of the queue, however long it is.
CREATE INDEX orders_queued ON orders (priority, updated_at) WHERE status = 'pending';
