-- Topics that were deleted, for as long as a topic is remembered. Each begins anew in an epoch of its own.
CREATE TABLE deleted (
    name TEXT PRIMARY KEY,
    epoch TEXT NOT NULL,
    at INTEGER NOT NULL -- when it was deleted, in milliseconds since 1970
) STRICT, WITHOUT ROWID;

CREATE INDEX deleted_by_at ON deleted (at);

-- Deleted topics with rows that are still in `events` and `once`. No other topic gets their id before these rows are gone.
CREATE TABLE unswept (
    topic INTEGER PRIMARY KEY
) STRICT;
