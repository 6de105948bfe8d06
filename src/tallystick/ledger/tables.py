"""The tables, as SQLModel classes: rows are this room's own and never leave it.

``entries.bytes`` is the truth. Every other column beside it, and every row of ``nodes`` and ``links``, is an index that
fsck computes again from the bytes. ``checkpoints`` holds what was signed, ``attachments`` what entries name by digest,
``side_values`` what may be erased.

The layout says the same in each dialect. PostgreSQL's text is compared and sorted by its bytes (collation C), as
SQLite's is: an index then outlives the next release of the system's collations.

This module is imported on use only: to lay out a new ledger, and to compare a ledger's layout with what it should be.
Reading and appending speak SQL to the driver (see :mod:`tallystick.ledger.database`).
"""

from typing import Final

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, Integer, LargeBinary, MetaData, Text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlmodel import Field, SQLModel

from tallystick.records import MAX_ENTRY

__all__ = ["AttachmentRow", "CheckpointRow", "EntryRow", "LinkRow", "NodeRow", "SideValueRow", "layout"]


class _Row(SQLModel):
    metadata = MetaData()


def _hash(column: str) -> CheckConstraint:
    return CheckConstraint(f"length({column}) = 32")


_NUMBER = Integer().with_variant(BigInteger(), "postgresql")
_TEXT = Text().with_variant(Text(collation="C"), "postgresql")
_STRICT = {"sqlite_strict": True}
_CLUSTERED = {"sqlite_strict": True, "sqlite_with_rowid": False}


_WITH_KEY = Column("idempotency_key", Text).isnot(None)


class EntryRow(_Row, table=True):
    """An entry's bytes, with the columns that find it. A fork would need a ``prev`` twice, which UNIQUE forbids."""

    __tablename__ = "entries"
    __table_args__ = (
        CheckConstraint("seq >= 0"),
        _hash("leaf"),
        _hash("prev"),
        CheckConstraint(f"length(bytes) <= {MAX_ENTRY}"),
        Index("entries_kind", "kind"),
        Index(
            "entries_idempotency",
            "actor",
            "idempotency_key",
            unique=True,
            sqlite_where=_WITH_KEY,
            postgresql_where=_WITH_KEY,
        ),
        _STRICT,
    )

    seq: int = Field(sa_column=Column(_NUMBER, primary_key=True, autoincrement=False))
    leaf: bytes = Field(sa_column=Column(LargeBinary, nullable=False, unique=True))
    prev: bytes = Field(sa_column=Column(LargeBinary, nullable=False, unique=True))
    kind: str = Field(sa_column=Column(_TEXT, nullable=False))
    actor: str = Field(sa_column=Column(_TEXT, nullable=False))
    recorded_at: str = Field(sa_column=Column(_TEXT, nullable=False))
    idempotency_key: str | None = Field(sa_column=Column(_TEXT))
    raw: bytes = Field(sa_column=Column("bytes", LargeBinary, nullable=False))


class NodeRow(_Row, table=True):
    """A perfect subtree of level 1 or more, written when its last leaf arrives. Level 0 is ``entries.leaf``."""

    __tablename__ = "nodes"
    __table_args__ = (CheckConstraint("level >= 1"), CheckConstraint("position >= 0"), _hash("hash"), _CLUSTERED)

    level: int = Field(sa_column=Column(Integer, primary_key=True))
    position: int = Field(sa_column=Column(_NUMBER, primary_key=True))
    hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class CheckpointRow(_Row, table=True):
    """A signed tree head. UNIQUE(previous) makes the insert a compare-and-swap: one successor for each head."""

    __tablename__ = "checkpoints"
    __table_args__ = (CheckConstraint("previous >= 0 AND previous < size"), _hash("root"), _STRICT)

    size: int = Field(sa_column=Column(_NUMBER, primary_key=True, autoincrement=False))
    previous: int = Field(sa_column=Column(_NUMBER, nullable=False, unique=True))
    root: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    note: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class AttachmentRow(_Row, table=True):
    """Bytes beside the entries, by their digest."""

    __tablename__ = "attachments"
    __table_args__ = (_hash("sha256"), CheckConstraint("length(bytes) = size"), _STRICT)

    sha256: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    size: int = Field(sa_column=Column(_NUMBER, nullable=False))
    data: bytes = Field(sa_column=Column("bytes", LargeBinary, nullable=False))


class SideValueRow(_Row, table=True):
    """A value that may be erased, with the salt of its commitment: without the row the commitment tells nothing."""

    __tablename__ = "side_values"
    __table_args__ = (_hash("salt"), _STRICT)

    seq: int = Field(sa_column=Column(_NUMBER, ForeignKey("entries.seq"), primary_key=True, autoincrement=False))
    name: str = Field(sa_column=Column(_TEXT, primary_key=True))
    salt: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    data: bytes = Field(sa_column=Column("bytes", LargeBinary, nullable=False))


class LinkRow(_Row, table=True):
    """Entry ``seq`` refers to entry ``target_seq``: the index behind lineage."""

    __tablename__ = "links"
    __table_args__ = (CheckConstraint("target_seq < seq"), Index("links_target", "target_seq"), _CLUSTERED)

    seq: int = Field(sa_column=Column(_NUMBER, ForeignKey("entries.seq"), primary_key=True))
    target_seq: int = Field(sa_column=Column(_NUMBER, ForeignKey("entries.seq"), primary_key=True))


_DIALECTS: Final = {"sqlite": sqlite.dialect, "postgresql": postgresql.dialect}


def layout(dialect: str = "sqlite") -> dict[str, str]:
    """Name to CREATE statement of every table and index, in the order to run them.

    Args:
        dialect: ``sqlite`` or ``postgresql``.
    """
    speaking = _DIALECTS[dialect]()
    statements = {}
    for table in _Row.metadata.sorted_tables:
        statements[table.name] = str(CreateTable(table).compile(dialect=speaking)).strip()
        for index in sorted(table.indexes, key=lambda item: str(item.name)):
            statements[str(index.name)] = str(CreateIndex(index).compile(dialect=speaking)).strip()
    return statements
