-- As Berth 0.1.0 wrote it. Never change this file.
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

-- Whether the starting point was laid out to its end. What was last found installed is written down once a start ended.
ALTER TABLE channels ADD COLUMN laid_out INTEGER NOT NULL DEFAULT 1;
UPDATE channels SET laid_out = 0
WHERE state IN ('"wanted"', '"provisioning"', '"starting"', '"failed"') AND inventory = 'null';

-- Actions that have begun and are in no audit row yet: what a crash leaves here is written to the log at the next start.
CREATE TABLE unfinished (
    action TEXT PRIMARY KEY,
    row    TEXT NOT NULL
) STRICT;

INSERT INTO channels VALUES
('00000000000000a1','website',1700000000000,'"local"','{"kind":"website"}','null','"running"',1700000001000,'/home/dev/site','{"tools":[{"name":"Node","version":"20.19.2","hint":null},{"name":"Python","version":null,"hint":"Install python3."}],"system":"Debian GNU/Linux 12 (bookworm)"}','[3000]',1),
('00000000000000a2','cloned',1700000002000,'"local"','{"kind":"git","url":"https://example.org/x.git"}','"proxied"','"asleep"',1700000003000,'/home/dev/x','null','[]',0);
INSERT INTO entries VALUES
(6,'00000000000000b1','00000000000000a1',1700000004000,'{"kind":"person"}','{"kind":"message","text":"it''s me"}'),
(7,'00000000000000b2','00000000000000a1',1700000005000,'{"kind":"agent","name":"claude-code"}','{"kind":"action","card":{"action":"00000000000000c1","verb":"run","subject":"npm test","summary":"exit 0","status":{"state":"done","exit_code":0},"duration_ms":812,"output":"ok\n","job":null}}'),
(8,'00000000000000b3','00000000000000a1',1700000006000,'{"kind":"berth"}','{"kind":"preview","port":3000}');
INSERT INTO audit VALUES
(1,'00000000000000c1','00000000000000a1','website','{"kind":"agent","name":"claude-code"}','"run"','npm test','npm test',1700000005000,812,0,NULL,64,1024);
INSERT INTO jobs VALUES
('00000000000000d1','00000000000000a1',1700000003500,'{"id":"00000000000000d1","command":"npm run dev","cwd":"/home/dev/site","service":true,"status":{"state":"running"},"started_at":1700000003500,"ended_at":null,"action":null}','{"PORT":"3000"}');
INSERT INTO settings VALUES ('space_name','"Harbour"');
INSERT INTO unfinished VALUES ('00000000000000c2','{"row":0,"action":"00000000000000c2","channel":"00000000000000a1","channel_name":"website","author":{"kind":"script"},"verb":"run","subject":"sleep 600","script":"sleep 600","at":1700000007000,"duration_ms":0,"exit_code":null,"error":"Berth ended before the outcome was seen.","bytes_in":0,"bytes_out":0}');
PRAGMA user_version = 2;
