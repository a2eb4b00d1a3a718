-- Syslog: the lines in compressed segments, how far followed files were read, and events.

CREATE TABLE line_segment (
    id    INTEGER PRIMARY KEY,         -- ascends with the time of the lines
    level INTEGER NOT NULL,            -- how often segments were merged to make it
    first INTEGER NOT NULL,            -- time of its first line, ms
    last  INTEGER NOT NULL,
    count INTEGER NOT NULL,
    plain INTEGER NOT NULL,            -- bytes before compression
    packed INTEGER NOT NULL,           -- bytes of the body
    body  BLOB NOT NULL                -- `lines::segment`
) STRICT;
CREATE INDEX line_segment_by_time ON line_segment (last, packed);
CREATE INDEX line_segment_by_level ON line_segment (level, id);

CREATE TABLE line_device (
    device  TEXT NOT NULL,
    segment INTEGER NOT NULL,
    PRIMARY KEY (device, segment)
) STRICT, WITHOUT ROWID;
CREATE INDEX line_device_by_segment ON line_device (segment);

CREATE TABLE line_position (
    listener TEXT NOT NULL,
    device   INTEGER NOT NULL,
    inode    INTEGER NOT NULL,
    offset   INTEGER NOT NULL,
    head     INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (listener, device, inode)
) STRICT, WITHOUT ROWID;

CREATE TABLE event (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    revision    INTEGER NOT NULL,
    fp          INTEGER NOT NULL,      -- Event::fingerprint
    device      TEXT NOT NULL,
    code        TEXT NOT NULL,
    code_norm   TEXT NOT NULL,
    object      TEXT NOT NULL,
    severity    INTEGER,
    first       INTEGER NOT NULL,
    last        INTEGER NOT NULL,
    count       INTEGER NOT NULL,
    state       TEXT NOT NULL,         -- EventState::as_str
    reason      TEXT NOT NULL,
    cleared     INTEGER,
    not_before  INTEGER NOT NULL,
    parent      INTEGER,
    origin      TEXT NOT NULL,
    message     TEXT NOT NULL,
    -- What remediation will need.
    rule         TEXT,
    remediation  TEXT,
    script_sha256 TEXT,
    mode         TEXT,
    attempt      INTEGER NOT NULL DEFAULT 0,
    lease_owner  TEXT,
    lease_until  INTEGER,
    started      INTEGER,
    ended        INTEGER,
    outcome      TEXT,
    transcript   TEXT
) STRICT;
-- One open event for each device, code and object: the database itself keeps duplicates out.
CREATE UNIQUE INDEX event_open ON event (fp)
    WHERE state IN ('new', 'held', 'awaiting_approval', 'queued', 'running', 'verifying');
-- A row is in one of these two alone, so that a storm of new faults writes few pages.
CREATE INDEX event_over ON event (fp, id)
    WHERE state NOT IN ('new', 'held', 'awaiting_approval', 'queued', 'running', 'verifying');
CREATE INDEX event_by_revision ON event (revision);
CREATE INDEX event_by_device ON event (device, id);
CREATE INDEX event_waiting ON event (not_before) WHERE state IN ('new', 'held');
