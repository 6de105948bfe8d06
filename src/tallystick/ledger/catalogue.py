"""What PostgreSQL's own catalogue says of a ledger's schema, and what it should say: the layout that fsck compares.

Everything that decides what a row means, or that could change or hide one, is a line here: columns, constraints,
indexes, triggers and whether they fire, functions and their source, rules, row security, child tables. Privileges are
not: they differ from team to team, and `doctor` shows them.

Read with nothing but ``pg_catalog`` in the search path: what is not of the database's own is named with its schema. Its
words are the same from PostgreSQL 15 to 18.
"""

from __future__ import annotations

from typing import Final

__all__ = ["CATALOGUE", "GUARDS", "LAYOUT"]

CATALOGUE: Final = """
WITH here AS (SELECT oid FROM pg_namespace WHERE nspname = 'tallystick'),
relation AS (SELECT c.* FROM pg_class c JOIN here ON c.relnamespace = here.oid),
tables AS (SELECT * FROM relation WHERE relkind NOT IN ('i', 'I'))
SELECT t.relname::text,
    CASE t.relkind WHEN 'r' THEN 'table' ELSE 'relation of kind ' || t.relkind::text END
    || CASE t.relpersistence WHEN 'p' THEN '' ELSE ', not permanent' END
    || CASE WHEN t.relrowsecurity OR t.relforcerowsecurity THEN ', row security' ELSE '' END
    || coalesce(', ' || array_to_string(t.reloptions, ' '), '')
    || coalesce(', of ' || nullif(t.reloftype, 0)::regtype::text, '')
    || ': ' || coalesce((
        SELECT string_agg(
            a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
            || coalesce(' COLLATE ' || (
                SELECT a.attcollation::regcollation::text FROM pg_type y
                WHERE y.oid = a.atttypid AND y.typcollation <> a.attcollation AND a.attcollation <> 0), '')
            || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
            || a.attidentity::text || a.attgenerated::text
            || coalesce(' ' || pg_get_expr(d.adbin, d.adrelid), ''),
            ', ' ORDER BY a.attnum)
        FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped), '')
FROM tables t
UNION ALL
SELECT t.relname || ' constraint ' || c.conname,
    pg_get_constraintdef(c.oid) || CASE WHEN c.convalidated THEN '' ELSE ', not validated' END
    || coalesce(' ' || (SELECT string_agg(g.tgenabled::text, '' ORDER BY g.oid) FROM pg_trigger g
        WHERE g.tgconstraint = c.oid AND g.tgisinternal), '')
    || coalesce((SELECT CASE WHEN i.indisvalid AND i.indisready AND i.indislive THEN '' ELSE ', not valid' END
        FROM pg_index i WHERE i.indexrelid = c.conindid AND c.contype IN ('p', 'u')), '')
FROM pg_constraint c JOIN tables t ON t.oid = c.conrelid WHERE c.contype <> 'n' OR NOT c.convalidated
UNION ALL
SELECT t.relname || ' index ' || r.relname,
    pg_get_indexdef(i.indexrelid)
    || CASE WHEN i.indisvalid AND i.indisready AND i.indislive THEN '' ELSE ', not valid' END
FROM pg_index i JOIN tables t ON t.oid = i.indrelid JOIN pg_class r ON r.oid = i.indexrelid
WHERE NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid AND c.contype IN ('p', 'u', 'x'))
UNION ALL
SELECT t.relname || ' trigger ' || g.tgname, pg_get_triggerdef(g.oid) || ' ' || g.tgenabled::text
FROM pg_trigger g JOIN tables t ON t.oid = g.tgrelid WHERE NOT g.tgisinternal OR g.tgconstraint = 0
UNION ALL
SELECT t.relname || ' rule ' || r.rulename, pg_get_ruledef(r.oid)
FROM pg_rewrite r JOIN tables t ON t.oid = r.ev_class
UNION ALL
SELECT t.relname || ' policy ' || p.polname, p.polcmd::text
FROM pg_policy p JOIN tables t ON t.oid = p.polrelid
UNION ALL
SELECT t.relname || ' child ' || i.inhrelid::regclass::text, ''
FROM pg_inherits i JOIN tables t ON t.oid = i.inhparent
UNION ALL
SELECT t.relname || ' parent ' || i.inhparent::regclass::text, ''
FROM pg_inherits i JOIN tables t ON t.oid = i.inhrelid
UNION ALL
SELECT 'collation ' || l.collname, ''
FROM pg_collation l JOIN here ON l.collnamespace = here.oid
UNION ALL
SELECT 'function ' || p.oid::regprocedure::text,
    p.prokind::text || ' ' || p.prorettype::regtype::text || ' ' || l.lanname || ' ' || p.provolatile::text
    || CASE WHEN p.prosecdef THEN ' security definer' ELSE '' END
    || coalesce(' ' || array_to_string(p.proconfig, ' '), '') || ' ' || p.prosrc
FROM pg_proc p JOIN here ON p.pronamespace = here.oid JOIN pg_language l ON l.oid = p.prolang
UNION ALL
SELECT 'operator ' || o.oid::regoperator::text, o.oprcode::text
FROM pg_operator o JOIN here ON o.oprnamespace = here.oid
UNION ALL
SELECT 'type ' || y.typname, y.typtype::text
FROM pg_type y JOIN here ON y.typnamespace = here.oid
WHERE y.typrelid = 0 AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = y.oid)
"""
"""Name to definition of everything in the schema, one row for each."""

_GUARD: Final = "CREATE TRIGGER {table}_no_{name} BEFORE {event} ON tallystick.{table} FOR EACH {each} EXECUTE FUNCTION"
_KEPT: Final = {
    **{
        table: ("DELETE OR UPDATE", f"{table} is append-only")
        for table in ("entries", "nodes", "checkpoints", "attachments", "links")
    },
    "side_values": ("UPDATE", "a side value is erased, never changed"),
}

GUARDS: Final = {
    "function tallystick.refuse_change()": (
        "f trigger plpgsql v search_path=pg_catalog, pg_temp BEGIN RAISE EXCEPTION USING MESSAGE = TG_ARGV[0]; END"
    ),
    **{
        f"{table} trigger {table}_no_{name}": (
            _GUARD.format(table=table, name=name, event=event, each=each) + f" tallystick.refuse_change('{why}') A"
        )
        for table, (change, why) in _KEPT.items()
        for name, event, each in (("change", change, "ROW"), ("truncate", "TRUNCATE", "STATEMENT"))
    },
}
"""The part of the layout that keeps rows as they were written. ``A``: fires always, in replication too."""

LAYOUT: Final = {
    "alembic_version": "table: version_num character varying(32) NOT NULL",
    "alembic_version constraint alembic_version_pkc": "PRIMARY KEY (version_num)",
    "attachments": "table: sha256 bytea NOT NULL, size bigint NOT NULL, bytes bytea NOT NULL",
    "attachments constraint attachments_check": "CHECK ((length(bytes) = size))",
    "attachments constraint attachments_pkey": "PRIMARY KEY (sha256)",
    "attachments constraint attachments_sha256_check": "CHECK ((length(sha256) = 32))",
    "checkpoints": "table: size bigint NOT NULL, previous bigint NOT NULL, root bytea NOT NULL, note bytea NOT NULL",
    "checkpoints constraint checkpoints_check": "CHECK (((previous >= 0) AND (previous < size)))",
    "checkpoints constraint checkpoints_pkey": "PRIMARY KEY (size)",
    "checkpoints constraint checkpoints_previous_key": "UNIQUE (previous)",
    "checkpoints constraint checkpoints_root_check": "CHECK ((length(root) = 32))",
    "entries": (
        'table: seq bigint NOT NULL, leaf bytea NOT NULL, prev bytea NOT NULL, kind text COLLATE "C" NOT NULL,'
        ' actor text COLLATE "C" NOT NULL, recorded_at text COLLATE "C" NOT NULL,'
        ' idempotency_key text COLLATE "C", bytes bytea NOT NULL'
    ),
    "entries constraint entries_bytes_check": "CHECK ((length(bytes) <= 65535))",
    "entries constraint entries_leaf_check": "CHECK ((length(leaf) = 32))",
    "entries constraint entries_leaf_key": "UNIQUE (leaf)",
    "entries constraint entries_pkey": "PRIMARY KEY (seq)",
    "entries constraint entries_prev_check": "CHECK ((length(prev) = 32))",
    "entries constraint entries_prev_key": "UNIQUE (prev)",
    "entries constraint entries_seq_check": "CHECK ((seq >= 0))",
    "entries index entries_idempotency": (
        "CREATE UNIQUE INDEX entries_idempotency ON tallystick.entries USING btree (actor, idempotency_key)"
        " WHERE (idempotency_key IS NOT NULL)"
    ),
    "entries index entries_kind": "CREATE INDEX entries_kind ON tallystick.entries USING btree (kind)",
    "links": "table: seq bigint NOT NULL, target_seq bigint NOT NULL",
    "links constraint links_check": "CHECK ((target_seq < seq))",
    "links constraint links_pkey": "PRIMARY KEY (seq, target_seq)",
    "links constraint links_seq_fkey": "FOREIGN KEY (seq) REFERENCES tallystick.entries(seq) OOOO",
    "links constraint links_target_seq_fkey": "FOREIGN KEY (target_seq) REFERENCES tallystick.entries(seq) OOOO",
    "links index links_target": "CREATE INDEX links_target ON tallystick.links USING btree (target_seq)",
    "nodes": "table: level integer NOT NULL, position bigint NOT NULL, hash bytea NOT NULL",
    "nodes constraint nodes_hash_check": "CHECK ((length(hash) = 32))",
    "nodes constraint nodes_level_check": "CHECK ((level >= 1))",
    "nodes constraint nodes_pkey": 'PRIMARY KEY (level, "position")',
    "nodes constraint nodes_position_check": 'CHECK (("position" >= 0))',
    "side_values": (
        'table: seq bigint NOT NULL, name text COLLATE "C" NOT NULL, salt bytea NOT NULL, bytes bytea NOT NULL'
    ),
    "side_values constraint side_values_pkey": "PRIMARY KEY (seq, name)",
    "side_values constraint side_values_salt_check": "CHECK ((length(salt) = 32))",
    "side_values constraint side_values_seq_fkey": "FOREIGN KEY (seq) REFERENCES tallystick.entries(seq) OOOO",
    **GUARDS,
}
"""What a ledger of layout 1 has."""
