"""What the first migrations made. They have run, so this is not edited."""

SCHEMA_1 = (
    """
    CREATE TABLE sources (
        id TEXT PRIMARY KEY NOT NULL,
        name TEXT NOT NULL,
        enabled INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
        origins TEXT NOT NULL DEFAULT '[]',
        bridges TEXT NOT NULL DEFAULT '["rest"]',
        static_profiles INTEGER NOT NULL DEFAULT 0 CHECK (static_profiles IN (0, 1)),
        created_at TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE profiles (
        id TEXT PRIMARY KEY NOT NULL,
        first_seen_at TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE sessions (
        id TEXT PRIMARY KEY NOT NULL,
        profile_id TEXT NOT NULL REFERENCES profiles(id),
        source_id TEXT REFERENCES sources(id) ON DELETE SET NULL,
        device_id TEXT,
        context TEXT NOT NULL DEFAULT '{}',
        dropped INTEGER NOT NULL DEFAULT 0,
        first_seen_at TEXT NOT NULL,
        last_seen_at TEXT NOT NULL
    )
    """,
    "CREATE INDEX sessions_profile ON sessions(profile_id)",
    # seq is the order of storing; the id is the sender's, and its uniqueness is the deduplication.
    """
    CREATE TABLE events (
        seq INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        type TEXT NOT NULL,
        source_id TEXT NOT NULL REFERENCES sources(id),
        session_id TEXT REFERENCES sessions(id),
        profile_id TEXT REFERENCES profiles(id),
        properties TEXT NOT NULL DEFAULT '{}',
        context TEXT NOT NULL DEFAULT '{}',
        options TEXT,
        tags TEXT,
        extra TEXT,
        request TEXT,
        request_id TEXT NOT NULL,
        occurred_at TEXT NOT NULL,
        received_at TEXT NOT NULL
    )
    """,
    "CREATE INDEX events_source ON events(source_id, received_at)",
    "CREATE INDEX events_type ON events(type, occurred_at)",
    "CREATE INDEX events_session ON events(session_id)",
    "CREATE INDEX events_profile ON events(profile_id)",
    """
    CREATE TABLE rejected (
        seq INTEGER PRIMARY KEY,
        reason TEXT NOT NULL,
        detail TEXT NOT NULL,
        event_id TEXT,
        type TEXT,
        source_id TEXT REFERENCES sources(id) ON DELETE CASCADE,
        payload TEXT NOT NULL,
        request_id TEXT NOT NULL,
        received_at TEXT NOT NULL
    )
    """,
    "CREATE INDEX rejected_source ON rejected(source_id, received_at)",
    # Counts changes of sources, whoever makes them, so that a collector sees one without reading
    # them all.
    "CREATE TABLE registry (version INTEGER NOT NULL)",
    "INSERT INTO registry VALUES (0)",
    "CREATE TRIGGER sources_added AFTER INSERT ON sources BEGIN UPDATE registry SET version = version + 1; END",
    "CREATE TRIGGER sources_changed AFTER UPDATE ON sources BEGIN UPDATE registry SET version = version + 1; END",
    "CREATE TRIGGER sources_removed AFTER DELETE ON sources BEGIN UPDATE registry SET version = version + 1; END",
)

SCHEMA_2 = (
    "ALTER TABLE sources ADD COLUMN transitional INTEGER NOT NULL DEFAULT 0 CHECK (transitional IN (0, 1))",
    "ALTER TABLE sources ADD COLUMN rate_limit INTEGER CHECK (rate_limit > 0)",
    "ALTER TABLE sources ADD COLUMN ip_policy TEXT NOT NULL DEFAULT 'truncate' CHECK (ip_policy IN ('truncate', 'full', 'none'))",
    "ALTER TABLE sources ADD COLUMN keep_days INTEGER CHECK (keep_days > 0)",
    """
    CREATE TABLE schemas (
        source_id TEXT NOT NULL REFERENCES sources(id) ON DELETE CASCADE,
        type TEXT NOT NULL,
        schema TEXT NOT NULL,
        updated_at TEXT NOT NULL,
        PRIMARY KEY (source_id, type)
    ) WITHOUT ROWID
    """,
    "CREATE TRIGGER schemas_added AFTER INSERT ON schemas BEGIN UPDATE registry SET version = version + 1; END",
    "CREATE TRIGGER schemas_changed AFTER UPDATE ON schemas BEGIN UPDATE registry SET version = version + 1; END",
    "CREATE TRIGGER schemas_removed AFTER DELETE ON schemas BEGIN UPDATE registry SET version = version + 1; END",
    """
    CREATE TABLE redirects (
        id TEXT PRIMARY KEY NOT NULL,
        source_id TEXT NOT NULL REFERENCES sources(id) ON DELETE CASCADE,
        target TEXT NOT NULL,
        event_type TEXT NOT NULL,
        created_at TEXT NOT NULL
    )
    """,
    "CREATE TRIGGER redirects_added AFTER INSERT ON redirects BEGIN UPDATE registry SET version = version + 1; END",
    "CREATE TRIGGER redirects_removed AFTER DELETE ON redirects BEGIN UPDATE registry SET version = version + 1; END",
    """
    CREATE TABLE tokens (
        id TEXT PRIMARY KEY NOT NULL,
        name TEXT NOT NULL,
        hash TEXT NOT NULL UNIQUE,
        created_at TEXT NOT NULL
    )
    """,
    "CREATE TRIGGER tokens_added AFTER INSERT ON tokens BEGIN UPDATE registry SET version = version + 1; END",
    "CREATE TRIGGER tokens_removed AFTER DELETE ON tokens BEGIN UPDATE registry SET version = version + 1; END",
    # Ids of events that were forgotten, as hashes: a late repeat must not bring them back.
    "CREATE TABLE tombstones (hash BLOB PRIMARY KEY NOT NULL, forgotten_at TEXT NOT NULL) WITHOUT ROWID",
    "ALTER TABLE events ADD COLUMN ip TEXT",
    "ALTER TABLE events ADD COLUMN bot INTEGER NOT NULL DEFAULT 0",
    """
    CREATE TABLE profiles_new (
        id TEXT PRIMARY KEY NOT NULL,
        first_seen_at TEXT NOT NULL,
        last_seen_at TEXT NOT NULL,
        events INTEGER NOT NULL DEFAULT 0,
        first_utm TEXT,
        last_utm TEXT
    )
    """,
    """
    INSERT INTO profiles_new SELECT id, first_seen_at,
        coalesce((SELECT max(last_seen_at) FROM sessions WHERE profile_id = profiles.id), first_seen_at),
        (SELECT count(*) FROM events WHERE profile_id = profiles.id), NULL, NULL
    FROM profiles
    """,
    "DROP TABLE profiles",
    "ALTER TABLE profiles_new RENAME TO profiles",
    """
    CREATE TABLE sessions_new (
        id TEXT PRIMARY KEY NOT NULL,
        profile_id TEXT NOT NULL REFERENCES profiles(id),
        source_id TEXT REFERENCES sources(id) ON DELETE SET NULL,
        device_id TEXT,
        context TEXT NOT NULL DEFAULT '{}',
        dropped INTEGER NOT NULL DEFAULT 0,
        first_seen_at TEXT NOT NULL,
        last_seen_at TEXT NOT NULL,
        events INTEGER NOT NULL DEFAULT 0,
        first_utm TEXT,
        last_utm TEXT
    )
    """,
    """
    INSERT INTO sessions_new SELECT id, profile_id, source_id, device_id, context, dropped, first_seen_at, last_seen_at,
        (SELECT count(*) FROM events WHERE session_id = sessions.id), NULL, NULL
    FROM sessions
    """,
    "DROP TABLE sessions",
    "ALTER TABLE sessions_new RENAME TO sessions",
    "CREATE INDEX sessions_profile ON sessions(profile_id)",
    "ALTER TABLE rejected RENAME TO rejected_before",
    """
    CREATE TABLE rejected (
        seq INTEGER PRIMARY KEY,
        reason TEXT NOT NULL,
        detail TEXT NOT NULL,
        event_id TEXT NOT NULL,
        type TEXT,
        source_id TEXT NOT NULL REFERENCES sources(id) ON DELETE CASCADE,
        session_id TEXT,
        profile_id TEXT,
        origin TEXT,
        payload TEXT NOT NULL,
        request_id TEXT NOT NULL,
        received_at TEXT NOT NULL,
        last_seen_at TEXT NOT NULL,
        seen INTEGER NOT NULL DEFAULT 1,
        UNIQUE (source_id, event_id)
    )
    """,
    """
    INSERT OR IGNORE INTO rejected (seq, reason, detail, event_id, type, source_id, payload, request_id, received_at, last_seen_at)
    SELECT seq, reason, detail, coalesce(event_id, request_id || '-' || seq), type, source_id, payload, request_id, received_at,
        received_at FROM rejected_before WHERE source_id IS NOT NULL
    """,
    "DROP TABLE rejected_before",
    "CREATE INDEX rejected_source ON rejected(source_id, received_at)",
    "CREATE INDEX rejected_profile ON rejected(profile_id) WHERE profile_id IS NOT NULL",
)

SCHEMA_3 = (
    "ALTER TABLE sources RENAME COLUMN transitional TO validate_only",
    "ALTER TABLE sources RENAME COLUMN keep_days TO retention_days",
    # What an event of the table `events` has, so that a replayed event has it as well.
    "ALTER TABLE rejected ADD COLUMN ip TEXT",
    "ALTER TABLE rejected ADD COLUMN bot INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE rejected ADD COLUMN request TEXT",
)

SCOPED_PROFILES = (
    """
    CREATE TABLE scoped_profiles (
        key INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT,
        scope TEXT NOT NULL DEFAULT '',
        first_seen_at TEXT NOT NULL,
        first_utm TEXT,
        last_utm TEXT,
        UNIQUE (id, scope)
    )
    """,
    "INSERT INTO scoped_profiles (key, id, first_seen_at, first_utm, last_utm)"
    " SELECT key, id, first_seen_at, first_utm, last_utm FROM profile_rows",
    # Numbers of profiles that are gone are not used again.
    "UPDATE sqlite_sequence SET seq = max(seq, (SELECT seq FROM sqlite_sequence"
    " WHERE name = 'profile_rows')) WHERE name = 'scoped_profiles'",
    "DROP TABLE profile_rows",
    # Views name the table that is gone until it has its name.
    "PRAGMA legacy_alter_table=ON",
    "ALTER TABLE scoped_profiles RENAME TO profile_rows",
    "PRAGMA legacy_alter_table=OFF",
    "INSERT INTO sqlite_stat1 (tbl, idx, stat)"
    " VALUES ('profile_rows', 'sqlite_autoindex_profile_rows_1', '1000000 1 1')",
    "ANALYZE sqlite_schema",
    "DROP VIEW profiles",
    """
    CREATE VIEW profiles AS
    SELECT p.id, p.first_seen_at,
        coalesce((SELECT max(r.received_at) FROM session_rows s JOIN request_rows r
            ON r.session = s.key WHERE s.profile = p.key), p.first_seen_at) AS last_seen_at,
        (SELECT count(*) FROM session_rows s JOIN request_rows r ON r.session = s.key
            JOIN event_rows e ON e.request = r.key AND e.seq BETWEEN r.key AND r.key + r.events - 1
            WHERE s.profile = p.key) AS events,
        p.first_utm, p.last_utm, p.scope
    FROM profile_rows p
    WHERE p.key > 0
    """,
)
