CREATE TABLE __table__ (
  id         integer     PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  name       text        NOT NULL,
  version    integer     NOT NULL CHECK (version >= 1),
  created_at timestamptz NOT NULL
);
