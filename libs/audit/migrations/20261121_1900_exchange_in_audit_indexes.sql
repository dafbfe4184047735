-- What is written with every order at an exchange stays out of the indexes of rare rows, as what is written with every other
-- order does (docs/adr/0016): executions come as often as orders, or more often.
DROP INDEX journal_by_type;
CREATE INDEX journal_by_type ON journal (type, occurred_at, position)
  WHERE type NOT IN ('order.placed', 'order.status_changed', 'reservation.created', 'reservation.consumed',
    'exchange_order.placed', 'exchange_order.status_changed', 'exchange_order.executed');

DROP INDEX journal_by_entity_type;
CREATE INDEX journal_by_entity_type ON journal (entity_type, occurred_at, position)
  WHERE entity_type NOT IN ('order', 'reservation', 'exchange_order');
