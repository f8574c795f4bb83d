-- Whether the starting point was laid out to its end. What was last found installed is written down once a start ended.
ALTER TABLE channels ADD COLUMN laid_out INTEGER NOT NULL DEFAULT 1;
UPDATE channels SET laid_out = 0
WHERE state IN ('"wanted"', '"provisioning"', '"starting"', '"failed"') AND inventory = 'null';

-- Actions that have begun and are in no audit row yet: what a crash leaves here is written to the log at the next start.
CREATE TABLE unfinished (
    action TEXT PRIMARY KEY,
    row    TEXT NOT NULL
) STRICT;
