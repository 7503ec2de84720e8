"""The tables and views in PostgreSQL, as numbered migrations. None is edited once it was released.

Rows of sessions and profiles are an edge's own, and views make one of them. So edges never wait for
each other's rows, and what an edge sends again replaces what it sent before.
"""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # Ids are compared byte by byte: half the time of a language's order.
        """
        CREATE TABLE thamesthrive.event_rows (
            id text COLLATE "C" NOT NULL,
            source_id text COLLATE "C" NOT NULL,
            type text COLLATE "C" NOT NULL,
            session_id text COLLATE "C",
            profile_id text COLLATE "C",
            properties jsonb NOT NULL,
            context jsonb NOT NULL,
            options jsonb,
            tags jsonb,
            extra jsonb,
            request jsonb,
            request_id text COLLATE "C" NOT NULL,
            occurred_at timestamptz NOT NULL,
            received_at timestamptz NOT NULL,
            ip text,
            bot boolean NOT NULL,
            edge text COLLATE "C" NOT NULL,
            seq bigint NOT NULL,
            PRIMARY KEY (source_id, id)
        )
        """,
        "CREATE INDEX events_of_profile ON thamesthrive.event_rows (profile_id)",
        "CREATE INDEX events_of_session ON thamesthrive.event_rows (session_id)",
        # Rows come in about the order of their arrival: a few pages for an index of all of them.
        "CREATE INDEX events_by_arrival ON thamesthrive.event_rows USING brin (received_at)",
        """
        CREATE TABLE thamesthrive.session_rows (
            id text COLLATE "C" NOT NULL,
            source_id text COLLATE "C" NOT NULL,
            edge text COLLATE "C" NOT NULL,
            profile_id text COLLATE "C",
            device_id text COLLATE "C",
            context jsonb NOT NULL,
            dropped integer NOT NULL,
            country text,
            first_seen_at timestamptz NOT NULL,
            last_seen_at timestamptz NOT NULL,
            first_utm jsonb,
            last_utm jsonb,
            PRIMARY KEY (source_id, id, edge)
        )
        """,
        "CREATE INDEX sessions_of_profile ON thamesthrive.session_rows (profile_id)",
        """
        CREATE TABLE thamesthrive.profile_rows (
            id text COLLATE "C" NOT NULL,
            scope text COLLATE "C" NOT NULL,
            edge text COLLATE "C" NOT NULL,
            first_seen_at timestamptz NOT NULL,
            last_seen_at timestamptz NOT NULL,
            first_utm jsonb,
            last_utm jsonb,
            PRIMARY KEY (id, scope, edge)
        )
        """,
        """
        CREATE TABLE thamesthrive.edges (
            id text COLLATE "C" PRIMARY KEY,
            cursor bigint NOT NULL,
            sent_at timestamptz NOT NULL
        )
        """,
        # A session that began on two edges at once has the profile of the edge that saw it first.
        """
        CREATE VIEW thamesthrive.events AS
        SELECT e.id, e.type, e.source_id, e.session_id,
            coalesce((
                SELECT s.profile_id FROM thamesthrive.session_rows s
                WHERE s.source_id = e.source_id AND s.id = e.session_id
                ORDER BY s.first_seen_at, s.edge LIMIT 1
            ), e.profile_id) AS profile_id,
            e.properties, e.context, e.options, e.tags, e.extra, e.request, e.request_id,
            e.occurred_at, e.received_at, e.ip, e.bot, e.edge, e.seq
        FROM thamesthrive.event_rows e
        """,
        """
        CREATE VIEW thamesthrive.sessions AS
        SELECT id, source_id,
            (array_agg(profile_id ORDER BY first_seen_at, edge))[1] AS profile_id,
            (array_agg(device_id ORDER BY first_seen_at, edge)
                FILTER (WHERE device_id IS NOT NULL))[1] AS device_id,
            (array_agg(context ORDER BY last_seen_at DESC, edge))[1] AS context,
            sum(dropped)::integer AS dropped,
            (array_agg(country ORDER BY first_seen_at, edge)
                FILTER (WHERE country IS NOT NULL))[1] AS country,
            min(first_seen_at) AS first_seen_at,
            max(last_seen_at) AS last_seen_at,
            (array_agg(first_utm ORDER BY first_seen_at, edge)
                FILTER (WHERE first_utm IS NOT NULL))[1] AS first_utm,
            (array_agg(last_utm ORDER BY last_seen_at DESC, edge)
                FILTER (WHERE last_utm IS NOT NULL))[1] AS last_utm
        FROM thamesthrive.session_rows GROUP BY source_id, id
        """,
        """
        CREATE VIEW thamesthrive.profiles AS
        SELECT id, scope,
            min(first_seen_at) AS first_seen_at,
            max(last_seen_at) AS last_seen_at,
            (array_agg(first_utm ORDER BY first_seen_at, edge)
                FILTER (WHERE first_utm IS NOT NULL))[1] AS first_utm,
            (array_agg(last_utm ORDER BY last_seen_at DESC, edge)
                FILTER (WHERE last_utm IS NOT NULL))[1] AS last_utm
        FROM thamesthrive.profile_rows GROUP BY id, scope
        """,
    ),
)
