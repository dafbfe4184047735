-- What lists of orders walk, in the order of the list (docs/adr/0015).
CREATE INDEX orders_by_status ON orders (status, id);
CREATE INDEX orders_by_status_and_total ON orders (status, total_cents, id);
CREATE INDEX orders_by_total ON orders (total_cents, id);
CREATE INDEX orders_by_customer_and_total ON orders (customer_id, total_cents, id);
CREATE INDEX order_lines_by_product ON order_lines (product_id, order_id);

-- The other way round than before, so that it also finds a client order id whose customer is not known.
ALTER TABLE client_order_ids DROP CONSTRAINT client_order_ids_pkey;
ALTER TABLE client_order_ids ADD PRIMARY KEY (client_order_id, customer_id);
