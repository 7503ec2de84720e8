"""The tables and views in ClickHouse, as numbered migrations. None is edited once it was released.

ClickHouse keeps rows of the same sorting key apart until it merges them, so what is read goes through
views with FINAL. Sorting key and partition follow from the id alone: two deliveries of one event may
differ in everything else, and would else never meet. `id_at` is the time in a UUIDv7, 1970 for other
ids. Partitions are years: senders choose ids, and with months one of them could make a thousand.
"""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE IF NOT EXISTS {database}.event_rows (
            id String,
            id_at DateTime,
            source_id LowCardinality(String),
            type LowCardinality(String),
            session_id Nullable(String),
            profile_id Nullable(String),
            properties String CODEC(ZSTD(1)),
            context String CODEC(ZSTD(1)),
            options Nullable(String),
            tags Nullable(String),
            extra Nullable(String),
            request Nullable(String) CODEC(ZSTD(1)),
            request_id String,
            occurred_at DateTime64(3, 'UTC'),
            received_at DateTime64(3, 'UTC'),
            ip Nullable(String),
            bot Bool,
            edge LowCardinality(String),
            seq UInt64
        ) ENGINE = ReplacingMergeTree
        PARTITION BY toYear(id_at)
        ORDER BY (source_id, toStartOfHour(id_at), id)
        """,
        """
        CREATE TABLE IF NOT EXISTS {database}.session_rows (
            id String,
            source_id LowCardinality(String),
            edge LowCardinality(String),
            profile_id Nullable(String),
            device_id Nullable(String),
            context String CODEC(ZSTD(1)),
            dropped UInt32,
            country LowCardinality(Nullable(String)),
            first_seen_at DateTime64(3, 'UTC'),
            last_seen_at DateTime64(3, 'UTC'),
            first_utm Nullable(String),
            last_utm Nullable(String)
        ) ENGINE = ReplacingMergeTree(last_seen_at)
        ORDER BY (source_id, id, edge)
        """,
        """
        CREATE TABLE IF NOT EXISTS {database}.profile_rows (
            id String,
            scope String,
            edge LowCardinality(String),
            first_seen_at DateTime64(3, 'UTC'),
            last_seen_at DateTime64(3, 'UTC'),
            first_utm Nullable(String),
            last_utm Nullable(String)
        ) ENGINE = ReplacingMergeTree(last_seen_at)
        ORDER BY (id, scope, edge)
        """,
        """
        CREATE TABLE IF NOT EXISTS {database}.edges (
            id String,
            cursor UInt64,
            sent_at DateTime64(3, 'UTC')
        ) ENGINE = ReplacingMergeTree(sent_at)
        ORDER BY id
        """,
        # A session that began on two edges at once has the profile of the edge that saw it first.
        """
        CREATE VIEW IF NOT EXISTS {database}.sessions AS
        SELECT id, source_id,
            argMin(s.profile_id, (s.first_seen_at, s.edge)) AS profile_id,
            argMin(s.device_id, (s.first_seen_at, s.edge)) AS device_id,
            argMax(s.context, (s.last_seen_at, s.edge)) AS context,
            sum(s.dropped) AS dropped,
            argMin(s.country, (s.first_seen_at, s.edge)) AS country,
            min(s.first_seen_at) AS first_seen_at,
            max(s.last_seen_at) AS last_seen_at,
            argMin(s.first_utm, (s.first_seen_at, s.edge)) AS first_utm,
            argMax(s.last_utm, (s.last_seen_at, s.edge)) AS last_utm
        FROM {database}.session_rows AS s FINAL GROUP BY source_id, id
        """,
        """
        CREATE VIEW IF NOT EXISTS {database}.profiles AS
        SELECT id, scope,
            min(p.first_seen_at) AS first_seen_at,
            max(p.last_seen_at) AS last_seen_at,
            argMin(p.first_utm, (p.first_seen_at, p.edge)) AS first_utm,
            argMax(p.last_utm, (p.last_seen_at, p.edge)) AS last_utm
        FROM {database}.profile_rows AS p FINAL GROUP BY id, scope
        """,
        """
        CREATE VIEW IF NOT EXISTS {database}.events AS
        SELECT e.id AS id, e.type AS type, e.source_id AS source_id, e.session_id AS session_id,
            if(s.id = '', e.profile_id, s.profile_id) AS profile_id,
            e.properties AS properties, e.context AS context, e.options AS options, e.tags AS tags,
            e.extra AS extra, e.request AS request, e.request_id AS request_id,
            e.occurred_at AS occurred_at, e.received_at AS received_at, e.ip AS ip, e.bot AS bot,
            e.edge AS edge, e.seq AS seq
        FROM {database}.event_rows AS e FINAL
        LEFT JOIN {database}.sessions AS s ON s.source_id = e.source_id AND s.id = e.session_id
        """,
    ),
)
