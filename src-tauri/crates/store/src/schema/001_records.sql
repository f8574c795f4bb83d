CREATE TABLE channels (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    provider   TEXT NOT NULL,
    start      TEXT NOT NULL,
    network    TEXT NOT NULL,
    state      TEXT NOT NULL,
    since      INTEGER NOT NULL,
    workdir    TEXT NOT NULL,
    inventory  TEXT NOT NULL,
    last_ports TEXT NOT NULL
) STRICT;

-- AUTOINCREMENT: a number is not given twice, not even after the newest entries were deleted.
CREATE TABLE entries (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    id      TEXT NOT NULL UNIQUE,
    channel TEXT NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
    at      INTEGER NOT NULL,
    author  TEXT NOT NULL,
    body    TEXT NOT NULL
) STRICT;
CREATE INDEX entries_by_channel ON entries (channel, seq);
-- Few at any time, and asked for at every start.
CREATE INDEX entries_running ON entries (seq) WHERE json_extract(body, '$.card.status.state') = 'running';

-- No reference to channels: the log outlives them.
CREATE TABLE audit (
    "row"        INTEGER PRIMARY KEY AUTOINCREMENT,
    action       TEXT NOT NULL,
    channel      TEXT NOT NULL,
    channel_name TEXT NOT NULL,
    author       TEXT NOT NULL,
    verb         TEXT NOT NULL,
    subject      TEXT NOT NULL,
    script       TEXT NOT NULL,
    at           INTEGER NOT NULL,
    duration_ms  INTEGER NOT NULL,
    exit_code    INTEGER,
    error        TEXT,
    bytes_in     INTEGER NOT NULL,
    bytes_out    INTEGER NOT NULL
) STRICT;
CREATE INDEX audit_by_channel ON audit (channel, "row");

CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
-- INSERT OR REPLACE deletes without asking the trigger above.
CREATE TRIGGER audit_no_replace BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE "row" = NEW."row")
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;

CREATE TABLE jobs (
    id         TEXT PRIMARY KEY,
    channel    TEXT NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
    started_at INTEGER NOT NULL,
    job        TEXT NOT NULL,
    env        TEXT NOT NULL
) STRICT;
CREATE INDEX jobs_by_channel ON jobs (channel, started_at);

-- One row a field, so that a setting added later needs no step here.
CREATE TABLE settings (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;
