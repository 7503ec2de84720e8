"""The tables that events are kept in, and the views that people read.

What the events of a request share is one row of `request_rows`. Sources, types, sessions and
profiles are integers in the rows, and names in the views. Times and ids are text.

Migration 4 made them, so this is not edited: a change is another migration.
"""

TABLES = (
    # Keys are never used again. Removed sources leave theirs behind; that of the source '' is for
    # sessions of before whose source is not known any more.
    "CREATE TABLE source_keys (key INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE)",
    "CREATE TABLE event_types (key INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
    """
    CREATE TABLE profile_rows (
        key INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT UNIQUE,
        first_seen_at TEXT NOT NULL,
        first_utm TEXT,
        last_utm TEXT
    )
    """,
    # A session is the source's that sent it: another source cannot reach it by its id.
    """
    CREATE TABLE session_rows (
        key INTEGER PRIMARY KEY AUTOINCREMENT,
        source INTEGER NOT NULL,
        id TEXT,
        profile INTEGER NOT NULL REFERENCES profile_rows(key),
        device_id TEXT,
        context TEXT NOT NULL DEFAULT '{}',
        dropped INTEGER NOT NULL DEFAULT 0,
        first_seen_at TEXT NOT NULL,
        first_utm TEXT,
        last_utm TEXT,
        UNIQUE (id, source)
    )
    """,
    # `key` is the seq of the first of its `events` events; `context` is what most of them share.
    """
    CREATE TABLE request_rows (
        key INTEGER PRIMARY KEY,
        events INTEGER NOT NULL,
        source INTEGER NOT NULL REFERENCES source_keys(key),
        session INTEGER NOT NULL REFERENCES session_rows(key),
        request_id TEXT NOT NULL,
        received_at TEXT NOT NULL,
        ip TEXT,
        bot INTEGER NOT NULL DEFAULT 0,
        request TEXT,
        context TEXT NOT NULL DEFAULT '{}'
    )
    """,
    # `request` is no declared reference: to remove a request, SQLite would search all events for it.
    # `check_database` checks it.
    # AUTOINCREMENT: the number of a forgotten event is never given to another one. The id is the
    # sender's; its uniqueness within the source is the deduplication.
    """
    CREATE TABLE event_rows (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        request INTEGER NOT NULL,
        source INTEGER NOT NULL REFERENCES source_keys(key),
        type INTEGER NOT NULL REFERENCES event_types(key),
        id TEXT NOT NULL,
        occurred_at TEXT NOT NULL,
        properties TEXT NOT NULL DEFAULT '{}',
        context TEXT,
        options TEXT,
        tags TEXT,
        extra TEXT,
        UNIQUE (id, source)
    )
    """,
    # Each index with the query that needs it. They end in the rowid, which is the order of storing.
    "CREATE INDEX sessions_of_profile ON session_rows(profile)",  # one visitor's story, erasure
    "CREATE INDEX requests_of_session ON request_rows(session)",
    "CREATE INDEX requests_by_arrival ON request_rows(source, received_at)",  # retention
    "CREATE INDEX events_of_source ON event_rows(source)",  # the latest of a source
    "CREATE INDEX events_of_type ON event_rows(type)",  # the latest of a type
)

# What stands for no session, so that views need no outer joins, which the planner cannot reorder.
ROWS = (
    "INSERT INTO profile_rows (key, id, first_seen_at) VALUES (0, NULL, '')",
    "INSERT INTO session_rows (key, source, id, profile, first_seen_at) VALUES (0, -1, NULL, 0, '')",
)

# The planner's idea of the tables, as ANALYZE would write it for a large database. Without it, one
# visitor's events would be searched among all events.
STATISTICS = (
    "ANALYZE sqlite_schema",
    "DELETE FROM sqlite_stat1",
    """
    INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
        ('source_keys', 'sqlite_autoindex_source_keys_1', '10 1'),
        ('event_types', 'sqlite_autoindex_event_types_1', '1000 1'),
        ('profile_rows', 'sqlite_autoindex_profile_rows_1', '1000000 1'),
        ('session_rows', 'sqlite_autoindex_session_rows_1', '2000000 1 1'),
        ('session_rows', 'sessions_of_profile', '2000000 2'),
        ('request_rows', 'requests_of_session', '5000000 3'),
        ('request_rows', 'requests_by_arrival', '5000000 500000 1'),
        ('event_rows', 'sqlite_autoindex_event_rows_1', '10000000 1 1'),
        ('event_rows', 'events_of_source', '10000000 1000000'),
        ('event_rows', 'events_of_type', '10000000 100000')
    """,
    "ANALYZE sqlite_schema",
)

EVENTS_REMOVED = """
    CREATE TRIGGER events_removed INSTEAD OF DELETE ON events
    BEGIN
        DELETE FROM request_rows
        WHERE key = (SELECT request FROM event_rows WHERE seq = OLD.seq)
            AND NOT EXISTS (SELECT 1 FROM event_rows e WHERE e.request = request_rows.key
                AND e.seq BETWEEN request_rows.key AND request_rows.key + request_rows.events - 1
                AND e.seq <> OLD.seq);
        DELETE FROM event_rows WHERE seq = OLD.seq;
    END
    """
"""For people who remove rows by hand: the last event of a request takes the request along."""

VIEWS = (
    # The range is what finds a request's events; the reference finds an event's request.
    """
    CREATE VIEW events AS
    SELECT e.seq, e.id, t.name AS type, k.id AS source_id, s.id AS session_id, p.id AS profile_id,
        e.properties, coalesce(e.context, r.context) AS context, e.options, e.tags, e.extra,
        r.request, r.request_id, e.occurred_at, r.received_at, r.ip, r.bot
    FROM event_rows e
    JOIN request_rows r ON r.key = e.request AND e.seq BETWEEN r.key AND r.key + r.events - 1
    JOIN event_types t ON t.key = e.type
    JOIN source_keys k ON k.key = e.source
    JOIN session_rows s ON s.key = r.session
    JOIN profile_rows p ON p.key = s.profile
    """,
    EVENTS_REMOVED,
    """
    CREATE VIEW sessions AS
    SELECT s.id, p.id AS profile_id, nullif(k.id, '') AS source_id, s.device_id, s.context,
        s.dropped,
        s.first_seen_at,
        coalesce((SELECT max(received_at) FROM request_rows WHERE session = s.key), s.first_seen_at)
            AS last_seen_at,
        (SELECT count(*) FROM request_rows r JOIN event_rows e
            ON e.request = r.key AND e.seq BETWEEN r.key AND r.key + r.events - 1
            WHERE r.session = s.key) AS events,
        s.first_utm, s.last_utm
    FROM session_rows s
    JOIN source_keys k ON k.key = s.source
    JOIN profile_rows p ON p.key = s.profile
    WHERE s.key > 0
    """,
    """
    CREATE VIEW profiles AS
    SELECT p.id, p.first_seen_at,
        coalesce((SELECT max(r.received_at) FROM session_rows s JOIN request_rows r
            ON r.session = s.key WHERE s.profile = p.key), p.first_seen_at) AS last_seen_at,
        (SELECT count(*) FROM session_rows s JOIN request_rows r ON r.session = s.key
            JOIN event_rows e ON e.request = r.key AND e.seq BETWEEN r.key AND r.key + r.events - 1
            WHERE s.profile = p.key) AS events,
        p.first_utm, p.last_utm
    FROM profile_rows p
    WHERE p.key > 0
    """,
)
