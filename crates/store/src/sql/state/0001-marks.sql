-- The revision counter of all records, and marks: noteworthy happenings drawn on charts.

CREATE TABLE revision (
    newest INTEGER NOT NULL
) STRICT;
INSERT INTO revision VALUES (0);

CREATE TABLE mark (
    revision INTEGER PRIMARY KEY,
    at       INTEGER NOT NULL,
    subject  TEXT NOT NULL,
    kind     TEXT NOT NULL,
    text     TEXT NOT NULL
) STRICT;
CREATE INDEX mark_by_time ON mark (at);
CREATE INDEX mark_by_subject ON mark (subject, at);
