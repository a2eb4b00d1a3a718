-- Mending: what is to be done about events, runs with their transcripts, locks, approvals, who worked on a
-- device, and the audit.

ALTER TABLE event ADD COLUMN fields TEXT NOT NULL DEFAULT '';           -- JSON; empty for none
ALTER TABLE event ADD COLUMN evidence TEXT NOT NULL DEFAULT 'datagram'; -- Evidence::as_str
ALTER TABLE event ADD COLUMN approved_by TEXT;
ALTER TABLE event ADD COLUMN approved_at INTEGER;
CREATE INDEX event_queued ON event (not_before, id) WHERE state = 'queued';
CREATE INDEX event_by_first ON event (first);
-- What people must see to is looked for every two seconds: the list is that of the question, to the letter.
CREATE INDEX event_for_people ON event (id)
    WHERE state IN ('awaiting_approval', 'failure', 'timed_out', 'unknown', 'escalated');

CREATE TABLE run (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    revision    INTEGER NOT NULL,
    event       INTEGER NOT NULL,
    fp          INTEGER NOT NULL,      -- of the event
    device      TEXT NOT NULL,
    remediation TEXT NOT NULL,
    state       TEXT NOT NULL,         -- RunState::as_str
    epoch       INTEGER NOT NULL,      -- which start of the daemon it belongs to
    lease_until INTEGER NOT NULL,
    started     INTEGER NOT NULL,
    ended       INTEGER,
    changed     INTEGER NOT NULL,      -- 0 or 1
    came_back   INTEGER NOT NULL DEFAULT 0, -- 1: it succeeded, and the same fault was told again soon after
    body        TEXT NOT NULL          -- model::Run as JSON
) STRICT;
CREATE INDEX run_by_revision ON run (revision);
CREATE INDEX run_by_event ON run (event, id);
CREATE INDEX run_by_device ON run (device, started);
CREATE INDEX run_by_remediation ON run (remediation, started);
CREATE INDEX run_by_start ON run (started);
CREATE INDEX run_open ON run (id) WHERE state IN ('running', 'verifying');

CREATE TABLE run_transcript (
    run   INTEGER PRIMARY KEY,
    plain INTEGER NOT NULL,            -- bytes before compression
    body  BLOB NOT NULL                -- lines of JSON, model::run::Exchange, zstd
) STRICT;

-- Who may be worked on by one run alone: a device, both halves of a pair, a group.
CREATE TABLE run_lock (
    name TEXT PRIMARY KEY,
    run  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX run_lock_by_run ON run_lock (run);

CREATE TABLE approval (
    id       INTEGER PRIMARY KEY,
    revision INTEGER NOT NULL,
    event    INTEGER NOT NULL,
    open     INTEGER NOT NULL,         -- 0 or 1
    expires  INTEGER NOT NULL,
    body     TEXT NOT NULL             -- model::run::Approval as JSON
) STRICT;
CREATE UNIQUE INDEX approval_open ON approval (event) WHERE open = 1;
CREATE INDEX approval_by_event ON approval (event, id);

-- When somebody configured a device last, as the device itself told.
CREATE TABLE configured (
    device TEXT NOT NULL,
    user   TEXT NOT NULL,
    at     INTEGER NOT NULL,
    PRIMARY KEY (device, user)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    id       INTEGER PRIMARY KEY,
    at       INTEGER NOT NULL,
    actor    TEXT NOT NULL,
    action   TEXT NOT NULL,
    event    INTEGER,
    run      INTEGER,
    detail   TEXT NOT NULL,
    previous TEXT NOT NULL,
    hash     TEXT NOT NULL
) STRICT;
CREATE INDEX audit_by_event ON audit (event, id);
CREATE INDEX audit_by_run ON audit (run, id);
CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit is only ever added to');
END;
CREATE TRIGGER audit_is_never_shortened BEFORE DELETE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit is only ever added to');
END;
