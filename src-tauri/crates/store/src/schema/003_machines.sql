-- The person's own machines; what opens them is in the keychain, and never here.
CREATE TABLE machines (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    address    TEXT NOT NULL,
    identity   TEXT,
    created_at INTEGER NOT NULL
) STRICT;

ALTER TABLE channels ADD COLUMN machine TEXT REFERENCES machines (id);
