-- What the audit list is read by, newest first (docs/adr/0016). They lie on the whole table, so every month has them,
-- coming ones too. Making them reads the journal and keeps writers waiting meanwhile.
CREATE INDEX journal_by_time ON journal (occurred_at, position);

-- Workers write two of an order's three rows as `daybook`. Whoever asks for that finds it by time.
CREATE INDEX journal_by_actor ON journal (actor, occurred_at, position) WHERE actor <> 'daybook';

-- What is written with every order is found by time as well, and stays out: an order would have to pay for it.
CREATE INDEX journal_by_type ON journal (type, occurred_at, position)
  WHERE type NOT IN ('order.placed', 'order.status_changed', 'reservation.created', 'reservation.consumed');
CREATE INDEX journal_by_entity_type ON journal (entity_type, occurred_at, position)
  WHERE entity_type NOT IN ('order', 'reservation');
