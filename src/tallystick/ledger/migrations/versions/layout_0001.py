"""Layout 1, the first: entries, the tree over them, its checkpoints, and what stands beside."""

from typing import Final

from alembic import op

revision = "0001"
down_revision = None

_SQLITE: Final = (
    "PRAGMA application_id = 1413565529",
    """
    CREATE TABLE attachments (
        sha256 BLOB NOT NULL,
        size INTEGER NOT NULL,
        bytes BLOB NOT NULL,
        PRIMARY KEY (sha256),
        CHECK (length(sha256) = 32),
        CHECK (length(bytes) = size)
    ) STRICT
    """,
    """
    CREATE TABLE checkpoints (
        size INTEGER NOT NULL,
        previous INTEGER NOT NULL,
        root BLOB NOT NULL,
        note BLOB NOT NULL,
        PRIMARY KEY (size),
        CHECK (previous >= 0 AND previous < size),
        CHECK (length(root) = 32),
        UNIQUE (previous)
    ) STRICT
    """,
    """
    CREATE TABLE entries (
        seq INTEGER NOT NULL,
        leaf BLOB NOT NULL,
        prev BLOB NOT NULL,
        kind TEXT NOT NULL,
        actor TEXT NOT NULL,
        recorded_at TEXT NOT NULL,
        idempotency_key TEXT,
        bytes BLOB NOT NULL,
        PRIMARY KEY (seq),
        CHECK (seq >= 0),
        CHECK (length(leaf) = 32),
        CHECK (length(prev) = 32),
        CHECK (length(bytes) <= 65535),
        UNIQUE (leaf),
        UNIQUE (prev)
    ) STRICT
    """,
    "CREATE UNIQUE INDEX entries_idempotency ON entries (actor, idempotency_key) WHERE idempotency_key IS NOT NULL",
    "CREATE INDEX entries_kind ON entries (kind)",
    """
    CREATE TABLE nodes (
        level INTEGER NOT NULL,
        position INTEGER NOT NULL,
        hash BLOB NOT NULL,
        PRIMARY KEY (level, position),
        CHECK (level >= 1),
        CHECK (position >= 0),
        CHECK (length(hash) = 32)
    ) WITHOUT ROWID, STRICT
    """,
    """
    CREATE TABLE links (
        seq INTEGER NOT NULL,
        target_seq INTEGER NOT NULL,
        PRIMARY KEY (seq, target_seq),
        CHECK (target_seq < seq),
        FOREIGN KEY(seq) REFERENCES entries (seq),
        FOREIGN KEY(target_seq) REFERENCES entries (seq)
    ) WITHOUT ROWID, STRICT
    """,
    "CREATE INDEX links_target ON links (target_seq)",
    """
    CREATE TABLE side_values (
        seq INTEGER NOT NULL,
        name TEXT NOT NULL,
        salt BLOB NOT NULL,
        bytes BLOB NOT NULL,
        PRIMARY KEY (seq, name),
        CHECK (length(salt) = 32),
        FOREIGN KEY(seq) REFERENCES entries (seq)
    ) STRICT
    """,
    *(
        f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table}"
        f" BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        for table in ("entries", "nodes", "checkpoints", "attachments", "links")
        for verb in ("UPDATE", "DELETE")
    ),
    "CREATE TRIGGER side_values_no_update BEFORE UPDATE ON side_values"
    " BEGIN SELECT RAISE(ABORT, 'a side value is erased, never changed'); END",
    "CREATE TRIGGER side_values_no_replace BEFORE INSERT ON side_values"
    " WHEN EXISTS (SELECT 1 FROM side_values WHERE seq = NEW.seq AND name = NEW.name)"
    " BEGIN SELECT RAISE(ABORT, 'a side value is erased, never changed'); END",
)

_POSTGRESQL: Final = (
    """
    CREATE TABLE attachments (
        sha256 BYTEA NOT NULL,
        size BIGINT NOT NULL,
        bytes BYTEA NOT NULL,
        PRIMARY KEY (sha256),
        CHECK (length(sha256) = 32),
        CHECK (length(bytes) = size)
    )
    """,
    """
    CREATE TABLE checkpoints (
        size BIGINT NOT NULL,
        previous BIGINT NOT NULL,
        root BYTEA NOT NULL,
        note BYTEA NOT NULL,
        PRIMARY KEY (size),
        CHECK (previous >= 0 AND previous < size),
        CHECK (length(root) = 32),
        UNIQUE (previous)
    )
    """,
    """
    CREATE TABLE entries (
        seq BIGINT NOT NULL,
        leaf BYTEA NOT NULL,
        prev BYTEA NOT NULL,
        kind TEXT COLLATE "C" NOT NULL,
        actor TEXT COLLATE "C" NOT NULL,
        recorded_at TEXT COLLATE "C" NOT NULL,
        idempotency_key TEXT COLLATE "C",
        bytes BYTEA NOT NULL,
        PRIMARY KEY (seq),
        CHECK (seq >= 0),
        CHECK (length(leaf) = 32),
        CHECK (length(prev) = 32),
        CHECK (length(bytes) <= 65535),
        UNIQUE (leaf),
        UNIQUE (prev)
    )
    """,
    "CREATE UNIQUE INDEX entries_idempotency ON entries (actor, idempotency_key) WHERE idempotency_key IS NOT NULL",
    "CREATE INDEX entries_kind ON entries (kind)",
    """
    CREATE TABLE nodes (
        level INTEGER NOT NULL,
        position BIGINT NOT NULL,
        hash BYTEA NOT NULL,
        PRIMARY KEY (level, position),
        CHECK (level >= 1),
        CHECK (position >= 0),
        CHECK (length(hash) = 32)
    )
    """,
    """
    CREATE TABLE links (
        seq BIGINT NOT NULL,
        target_seq BIGINT NOT NULL,
        PRIMARY KEY (seq, target_seq),
        CHECK (target_seq < seq),
        FOREIGN KEY (seq) REFERENCES entries (seq),
        FOREIGN KEY (target_seq) REFERENCES entries (seq)
    )
    """,
    "CREATE INDEX links_target ON links (target_seq)",
    """
    CREATE TABLE side_values (
        seq BIGINT NOT NULL,
        name TEXT COLLATE "C" NOT NULL,
        salt BYTEA NOT NULL,
        bytes BYTEA NOT NULL,
        PRIMARY KEY (seq, name),
        CHECK (length(salt) = 32),
        FOREIGN KEY (seq) REFERENCES entries (seq)
    )
    """,
    """
    CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$BEGIN RAISE EXCEPTION USING MESSAGE = TG_ARGV[0]; END$$
    """,
    "REVOKE ALL ON FUNCTION refuse_change() FROM PUBLIC",
    *(
        statement
        for table, verbs, why in (
            *(
                (table, "UPDATE OR DELETE", f"{table} is append-only")
                for table in ("entries", "nodes", "checkpoints", "attachments", "links")
            ),
            ("side_values", "UPDATE", "a side value is erased, never changed"),
        )
        for name, event, each in (("change", verbs, "ROW"), ("truncate", "TRUNCATE", "STATEMENT"))
        for statement in (
            f"CREATE TRIGGER {table}_no_{name} BEFORE {event} ON {table}"
            f" FOR EACH {each} EXECUTE FUNCTION refuse_change('{why}')",
            f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_no_{name}",
        )
    ),
)


def upgrade() -> None:
    """Lay out what there was nothing of."""
    for statement in {"sqlite": _SQLITE, "postgresql": _POSTGRESQL}[op.get_bind().dialect.name]:
        op.execute(statement)
