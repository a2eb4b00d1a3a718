-- Alerts, silences, notices, and what stages remember over restarts. The JSON in `body` is the record as
-- `model::alert` writes it; the columns beside it are what is searched.

CREATE TABLE alert (
    id       INTEGER PRIMARY KEY,
    revision INTEGER NOT NULL,
    subject  TEXT NOT NULL,            -- Subject::key
    open     INTEGER NOT NULL,         -- 0 or 1
    raised   INTEGER NOT NULL,
    ended    INTEGER,
    body     TEXT NOT NULL
) STRICT;
CREATE INDEX alert_by_revision ON alert (revision);
CREATE INDEX alert_by_subject ON alert (subject, id);
CREATE INDEX alert_open ON alert (id) WHERE open = 1;

CREATE TABLE silence (
    id       INTEGER PRIMARY KEY,
    revision INTEGER NOT NULL,
    ends     INTEGER NOT NULL,         -- after this it does nothing; the greatest integer if it recurs for ever
    body     TEXT NOT NULL
) STRICT;
CREATE INDEX silence_by_revision ON silence (revision);
CREATE INDEX silence_by_end ON silence (ends);

CREATE TABLE notice (
    id       INTEGER PRIMARY KEY,
    revision INTEGER NOT NULL,
    receiver TEXT NOT NULL,
    thread   TEXT NOT NULL,
    state    TEXT NOT NULL,            -- NoticeState::name
    next_try INTEGER NOT NULL,
    body     TEXT NOT NULL
) STRICT;
CREATE INDEX notice_by_revision ON notice (revision);
CREATE INDEX notice_waiting ON notice (next_try, id) WHERE state = 'waiting';
CREATE INDEX notice_in_line ON notice (receiver, thread, id) WHERE state = 'waiting';

-- Which alerts a notice is about: an alert's page lists what was sent.
CREATE TABLE notice_alert (
    alert  INTEGER NOT NULL,
    notice INTEGER NOT NULL,
    PRIMARY KEY (alert, notice)
) STRICT, WITHOUT ROWID;
CREATE INDEX notice_alert_by_notice ON notice_alert (notice);
CREATE TRIGGER notice_gone AFTER DELETE ON notice BEGIN
    DELETE FROM notice_alert WHERE notice = old.id;
END;

CREATE TABLE memo (
    key      TEXT PRIMARY KEY,
    revision INTEGER NOT NULL,
    body     BLOB NOT NULL
) STRICT, WITHOUT ROWID;
