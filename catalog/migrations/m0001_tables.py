"""The first schema of the catalogue.

Inside, rows are named by integers: the place of the entry that defined them, counted through all logs of the store,
the oldest first. Outside, everything is
named by its opaque identifier. Times are integer microseconds since 1970-01-01T00:00:00Z; digests are 32 bytes; raw
names are blobs beside a display text in which control and bidirectional characters are escaped.
"""

from __future__ import annotations

from sqlite_utils import Database

_TABLES = """
CREATE TABLE cursor (
    one        INTEGER PRIMARY KEY CHECK (one = 1),       -- there is one row
    origin     TEXT NOT NULL,                             -- origin of the log that the last entry stands in
    size       INTEGER NOT NULL CHECK (size >= 0),        -- entries projected so far, of all logs
    last_entry BLOB NOT NULL CHECK (length(last_entry) = 32), -- SHA-256 of the last of them; zeroes at size 0
    root       BLOB CHECK (length(root) = 32)             -- root of the checkpoint that ends here; NULL between two
) STRICT;

CREATE TABLE log (
    first  INTEGER PRIMARY KEY,                           -- place of its first entry
    origin TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE actor (
    actor_id INTEGER PRIMARY KEY,                         -- position of its actor.registered
    actor    TEXT NOT NULL UNIQUE                         -- identifier
) STRICT;

CREATE TABLE actor_role (
    actor_id INTEGER NOT NULL,                            -- -> actor
    role     TEXT NOT NULL,                               -- role code
    PRIMARY KEY (actor_id, role)
) STRICT, WITHOUT ROWID;

CREATE TABLE "drop" (
    drop_id         INTEGER PRIMARY KEY,                  -- position of its drop.received
    "drop"          TEXT NOT NULL UNIQUE,                 -- identifier
    name            BLOB,                                 -- raw name in the share; NULL when withheld
    name_text       TEXT NOT NULL,                        -- the same, escaped for display; '' when withheld
    share           BLOB,                                 -- raw path of the share; NULL when withheld
    share_text      TEXT NOT NULL,                        -- the same, escaped; '' when withheld
    received_us     INTEGER NOT NULL,                     -- recorder's clock, microseconds UTC
    settled_by      TEXT NOT NULL,                        -- code of the rule that ended the wait
    completed_us    INTEGER,                              -- of the newest drop.completed; NULL until there is one
    completion      TEXT,                                 -- code of the newest drop.completed
    files           INTEGER CHECK (files >= 0),           -- files sealed, as it states
    size_bytes      INTEGER CHECK (size_bytes >= 0),      -- bytes in these files
    refused         INTEGER CHECK (refused >= 0),         -- entries that were not taken
    source_manifest TEXT                                  -- code: what became of a manifest in the drop
) STRICT;
CREATE INDEX drop_by_name ON "drop" (name);

CREATE TABLE refusal (
    refusal_id  INTEGER PRIMARY KEY,                      -- position of its item.refused
    drop_id     INTEGER,                                  -- -> drop; NULL: no entry before it defines the drop
    kind        TEXT NOT NULL,                            -- code: what it is
    reason      TEXT NOT NULL,                            -- code: why it was not taken
    source_path BLOB,                                     -- raw path in the drop; NULL when withheld
    source_name TEXT NOT NULL                             -- the same, escaped; '' when withheld
) STRICT;
CREATE INDEX refusal_by_drop ON refusal (drop_id);

CREATE TABLE object (
    object_id  INTEGER PRIMARY KEY,                       -- position of the first master.defined with this content
    sha256     BLOB NOT NULL UNIQUE CHECK (length(sha256) = 32),
    size_bytes INTEGER NOT NULL CHECK (size_bytes >= 0),
    copies     INTEGER NOT NULL CHECK (copies >= 1)       -- verified copies that are recorded, the vault's included
) STRICT;

CREATE TABLE item (
    item_id            INTEGER PRIMARY KEY,               -- position of its master.defined
    item               TEXT NOT NULL UNIQUE,              -- identifier
    object_id          INTEGER NOT NULL,                  -- -> object
    drop_id            INTEGER,                           -- -> drop; NULL: no entry before it defines the drop
    position           INTEGER NOT NULL,                  -- of the arrival in its drop, from 0
    source_path        BLOB,                              -- raw path in the drop; NULL when withheld
    source_name        TEXT NOT NULL,                     -- the same, escaped; '': the drop is this one file
    duplicate          TEXT NOT NULL,                     -- code: whether the same bytes had arrived before
    supersedes         TEXT NOT NULL,                     -- code: whether this path had arrived before with other bytes
    state              TEXT NOT NULL CHECK (state IN ('sealed', 'analysed')),
    activity           TEXT NOT NULL CHECK (activity IN
                       ('not-analysed', 'changes-seen-tier-1', 'activity', 'no-activity')),
    analysis_id        INTEGER,                           -- -> analysis: the newest that gave a result
    media_type         TEXT,                              -- by content; NULL: not known
    device_start_us    INTEGER,                           -- device time, unchecked; NULL: not known
    device_end_us      INTEGER,                           -- the same; never before the start
    device_time_source TEXT,                              -- which program and key said so
    device_time_zone   TEXT,                              -- code: utc, offset; unknown: local time as if UTC
    duration_us        INTEGER CHECK (duration_us >= 0),  -- NULL: not known
    CHECK ((device_start_us IS NULL) = (device_end_us IS NULL)),
    CHECK (device_end_us >= device_start_us)
) STRICT;
CREATE INDEX item_by_device_time ON item (device_start_us DESC, item);
CREATE INDEX item_by_length ON item (device_end_us - device_start_us);
CREATE INDEX item_by_object ON item (object_id);
CREATE INDEX item_by_drop ON item (drop_id, position);

CREATE TABLE analysis (
    analysis_id     INTEGER PRIMARY KEY,                  -- position of its entry, or of the first of its parts
    item_id         INTEGER,                              -- -> item; NULL: no entry before it defines the item
    gave_result     INTEGER NOT NULL CHECK (gave_result IN (0, 1)), -- analysis.completed or analysis.failed
    tier            INTEGER NOT NULL,                     -- 1: packets and intra frames; 2: every frame
    tiers           TEXT NOT NULL,                        -- tiers that really looked, blanks between; '' for a still
    outcome         TEXT NOT NULL,                        -- code
    limits          TEXT NOT NULL,                        -- codes of limits that were hit, blanks between; '' for none
    result          BLOB CHECK (length(result) = 32),     -- SHA-256 of the result object in derived/
    result_read     INTEGER NOT NULL CHECK (result_read IN (0, 1)), -- 0: missing or damaged when it was projected
    kind            TEXT,                                 -- code: video, still, audio, other; NULL: not known
    width           INTEGER,                              -- pixels, as stored
    height          INTEGER,                              -- pixels, as stored
    frames_declared INTEGER,                              -- frames the container claims
    frames_counted  INTEGER,                              -- frames stored, counted from the packets
    frames_decoded  INTEGER,                              -- frames that were decoded and looked at
    frames_missed   INTEGER                               -- frames that could not be decoded
) STRICT;
CREATE INDEX analysis_by_item ON analysis (item_id);

CREATE TABLE keyframe (
    analysis_id INTEGER NOT NULL,                         -- -> analysis
    number      INTEGER NOT NULL,                         -- from 0, in the order of time
    sha256      BLOB NOT NULL CHECK (length(sha256) = 32), -- of the picture in derived/
    time_us     INTEGER,                                  -- from the start of the recording, microseconds
    pts         INTEGER,                                  -- presentation stamp in units of time_base
    time_base   TEXT,                                     -- seconds, as a fraction such as 1/90000
    frame       INTEGER,                                  -- index of the frame
    reason      TEXT NOT NULL,                            -- code: why it was kept
    width       INTEGER,                                  -- pixels of the picture
    height      INTEGER,                                  -- pixels of the picture
    rotation    INTEGER,                                  -- clockwise degrees still to be applied for showing
    luma_difference TEXT,                                 -- mean change from the intra frame before, 0 to 255, decimal
    PRIMARY KEY (analysis_id, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE activity (
    analysis_id INTEGER NOT NULL,                         -- -> analysis
    number      INTEGER NOT NULL,                         -- from 0
    start_us    INTEGER NOT NULL,                         -- from the start of the recording, microseconds
    end_us      INTEGER NOT NULL,
    peak        TEXT,                                     -- strength at the peak, a decimal number
    PRIMARY KEY (analysis_id, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE finding (
    analysis_id INTEGER NOT NULL,                         -- -> analysis
    number      INTEGER NOT NULL,                         -- from 0
    code        TEXT NOT NULL,
    start_us    INTEGER,                                  -- from the start of the recording; NULL: the whole item
    end_us      INTEGER,
    PRIMARY KEY (analysis_id, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE metadata (
    analysis_id INTEGER NOT NULL,                         -- -> analysis
    seq         INTEGER NOT NULL,                         -- position of the part of the entry that states it
    number      INTEGER NOT NULL,                         -- place in that part, from 0
    source      TEXT NOT NULL,                            -- program that read it
    key         TEXT NOT NULL,
    value       TEXT,                                     -- NULL when sensitive: such values stay in openings.db only
    sensitive   INTEGER NOT NULL CHECK (sensitive IN (0, 1)),
    PRIMARY KEY (analysis_id, seq, number),
    CHECK ((value IS NULL) = (sensitive = 1))
) STRICT, WITHOUT ROWID;

CREATE TABLE event (
    seq         INTEGER PRIMARY KEY,                      -- position in the log
    type        TEXT NOT NULL,
    known       INTEGER NOT NULL CHECK (known IN (0, 1)), -- 0: this version does not know the type
    recorded_us INTEGER NOT NULL,                         -- recorder's clock, microseconds UTC
    actor       TEXT,                                     -- identifier; NULL: the service by itself, or withheld
    role        TEXT,                                     -- role in which the actor acted
    drop_id     INTEGER,                                  -- -> drop
    event       BLOB NOT NULL CHECK (length(event) = 16)  -- the 128 bits of event_<32 hex>
) STRICT;

CREATE TABLE subject (
    subject_id INTEGER PRIMARY KEY,                       -- in the order of first appearance
    name       TEXT NOT NULL UNIQUE                       -- identifier, or 'log'
) STRICT;

CREATE TABLE event_subject (
    subject_id INTEGER NOT NULL,                          -- -> subject
    seq        INTEGER NOT NULL,                          -- -> event
    PRIMARY KEY (subject_id, seq)
) STRICT, WITHOUT ROWID;

CREATE VIRTUAL TABLE words USING fts5 (
    name,                                                 -- names of the drop and of the file, escaped
    notes,                                                -- notes; none are recorded yet
    details,                                              -- metadata values that are not sensitive
    tokenize = "unicode61 remove_diacritics 2"
);
"""


def create_tables(db: Database) -> None:
    """Names, drops, items, what analysis found, the events, and the index of words."""
    # Not executescript: it would commit, and leave half a schema behind when a statement fails.
    for statement in filter(str.strip, _TABLES.split(";\n")):
        db.conn.execute(statement)
