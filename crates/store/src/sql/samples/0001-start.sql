-- Series, the journal of samples not yet in chunks, and chunks of compressed samples.

-- `num` stands for a series inside this file only; what identifies it is `id`, the hash of its name.
CREATE TABLE series (
    num    INTEGER PRIMARY KEY,
    id     BLOB NOT NULL UNIQUE,
    metric TEXT NOT NULL,
    labels TEXT NOT NULL              -- JSON object
) STRICT;

-- Highest batch number on disk of each source.
CREATE TABLE source (
    source INTEGER PRIMARY KEY,
    seq    INTEGER NOT NULL
) STRICT;

-- One row a group commit, numbered upwards for ever; a row goes when all its samples are in chunks.
CREATE TABLE journal (
    num  INTEGER PRIMARY KEY,
    data BLOB NOT NULL
) STRICT;

-- What has been sealed of each series: all journal rows up to `journal`, and its newest sample so far.
CREATE TABLE sealed (
    series  INTEGER PRIMARY KEY,
    journal INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    value   REAL NOT NULL
) STRICT;

-- Number of the newest sealing transaction, so that a reader can tell what is in chunks already.
CREATE TABLE sealing (
    generation INTEGER NOT NULL
) STRICT;
INSERT INTO sealing VALUES (0);

-- Samples of one series from `first` to `last` (inclusive, milliseconds). `raw` is NULL where only the
-- one-minute rollup is still kept; `rollup` is NULL where it has not been made yet.
CREATE TABLE chunk (
    num    INTEGER PRIMARY KEY,
    series INTEGER NOT NULL,
    first  INTEGER NOT NULL,
    last   INTEGER NOT NULL,
    count  INTEGER NOT NULL,
    rollup BLOB,
    raw    BLOB
) STRICT;
CREATE INDEX chunk_by_series ON chunk (series, first, last);
CREATE INDEX chunk_by_age ON chunk (last);
CREATE INDEX chunk_raw_by_age ON chunk (last) WHERE raw IS NOT NULL;
