-- The events of all topics, in the order of their topics and sequences.
CREATE TABLE events (
    id INTEGER PRIMARY KEY, -- the topic's id << 40 | the sequence
    at INTEGER NOT NULL,    -- milliseconds since 1970
    key TEXT,               -- of what it is the newest state
    frame TEXT NOT NULL     -- the encoded event without its id line
) STRICT;

CREATE INDEX events_by_key ON events (key) WHERE key IS NOT NULL;

CREATE TABLE topics (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    epoch TEXT NOT NULL,
    floor INTEGER NOT NULL,         -- the newest sequence that retention has taken
    head INTEGER NOT NULL,          -- the newest sequence when this row was written; there may be newer events
    events INTEGER NOT NULL,        -- how many there were up to it
    bytes INTEGER NOT NULL,         -- the bytes of their frames and keys
    is_dense INTEGER NOT NULL,      -- whether sequences have no holes
    newest_at INTEGER NOT NULL,     -- the time of the newest event, which may be gone
    used_at INTEGER NOT NULL,       -- when it was last published to or read, to the hour
    set_back_to INTEGER NOT NULL,   -- the clock once showed this time ..
    set_back_head INTEGER NOT NULL, -- .. when this sequence was there, although it has a later time
    keeps_latest INTEGER NOT NULL,  -- its retention
    max_events INTEGER NOT NULL,
    max_bytes INTEGER NOT NULL,
    max_age INTEGER NOT NULL,       -- in milliseconds
    once_age INTEGER NOT NULL,      -- for how long idempotency keys are remembered, in milliseconds
    once_keys INTEGER NOT NULL,     -- how many
    once_cut_at INTEGER NOT NULL    -- the time of the newest key that was pushed out before its time; 0 if none was
) STRICT;

-- The idempotency keys that are remembered, whatever became of their events.
CREATE TABLE once (
    id INTEGER PRIMARY KEY, -- of the event
    at INTEGER NOT NULL,    -- when it was appended, in milliseconds since 1970
    key TEXT NOT NULL
) STRICT;

-- About the file as a whole.
CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- For people.
CREATE VIEW log AS
SELECT topics.name AS topic,
    topics.epoch || '-' || (events.id & 1099511627775) AS position,
    strftime('%Y-%m-%d %H:%M:%f', events.at / 1000.0, 'unixepoch') AS at,
    events.key AS key,
    events.frame AS frame
FROM events JOIN topics ON topics.id = events.id >> 40;
