"""What an entry holds: the one table of kinds, and the frozen types that carry entries about.

An entry is the RFC 8785 bytes of a JSON object of at most 65,535 bytes, stored verbatim and hashed as stored.
Its fields: ``v kind seq prev recorded_at claimed_at actor basis subject body`` always;
``attachments personal supersedes idempotency_key statement`` where there are any.

* ``seq`` counts from 0 and equals the index of the Merkle leaf; ``prev`` is the leaf hash of the entry before,
  in hex, 64 zeros for the first: the chain and the tree commit to the same bytes.
* ``recorded_at`` is the ledger's clock, ``claimed_at`` the recorder's claim. Neither is proven time.
* ``actor`` is a pseudonymous id. Names, e-mail addresses and other personal data never stand in the bytes: ``personal``
  holds keyed commitments, the values live in a side store and can be erased.
* A required field of a body may hold ``{"absent": reason}``; any field may hold ``{"attachment": name}`` where it
  would make the entry too large. An entry is referred to by ``{"seq": n, "leaf": hex}``; the leaf decides.

Version 1 is frozen: fields may join, none may change its meaning. Unknown kinds verify as bytes and satisfy nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import itemgetter
from types import MappingProxyType
from typing import Final

from tallystick.canonical import Value, commitment, decode, digest, encode, leaf_hash, reread
from tallystick.errors import InvalidRecord, Malformed, NewerFormat
from tallystick.unicode14 import unassigned

__all__ = [
    "FIRST_PREV",
    "GENESIS",
    "KINDS",
    "LEDGER_ACTOR",
    "MAX_ENTRY",
    "VERSION",
    "Attachment",
    "Draft",
    "Entry",
    "Field",
    "Kind",
    "Personal",
    "Ref",
    "absent",
    "entry_value",
    "holds_reference",
    "is_time",
    "references",
]

VERSION: Final = 1
MAX_ENTRY: Final = 65_535
"""Bytes; the C2SP tlog-tiles limit of a bundle member."""
FIRST_PREV: Final = "0" * 64
LEDGER_ACTOR: Final = "ledger"
"""The actor of what the ledger itself records: its genesis, its report seal, reports it issues."""
GENESIS: Final = "ledger"
"""The kind of entry 0, and of no other."""
BASES: Final = frozenset({"observed", "declared", "imported"})

_HEX64 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_TIME = re.compile(
    r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{6}Z"
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_NAME = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,255}")
"""Of a part, and an idempotency key: indexed, in any database."""
_ACTOR = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def absent(reason: str = "not recorded") -> dict[str, str]:
    """The value of a required field that nobody recorded; documents print the reason."""
    return {"absent": reason}


# --------------------------------------------------------------------------- the table of kinds


@dataclass(frozen=True)
class Field:
    """One field of a body: the type of its value and whether the kind demands it."""

    type: str
    required: bool = True


@dataclass(frozen=True)
class Kind:
    """One kind of entry."""

    name: str
    meaning: str
    fields: Mapping[str, Field]
    signed: bool = False
    """Whether the entry must carry a DSSE statement of the person or service that made it."""


def _kind(name: str, meaning: str, /, *, signed: bool = False, optional: str = "", **required: str) -> Kind:
    fields = {key: Field(type) for key, type in required.items()}
    for item in optional.split():
        key, _, type = item.partition(":")
        fields[key] = Field(type, required=False)
    fields["declared"] = Field(
        "texts", required=False
    )  # names of the fields that somebody said, where the rest was read
    return Kind(name, meaning, MappingProxyType(fields), signed)


def _table(*kinds: Kind) -> Mapping[str, Kind]:
    return MappingProxyType({kind.name: kind for kind in kinds})


KINDS: Final = _table(
    _kind(
        "ledger",
        "The genesis: who this ledger is and which key signs its checkpoints. Always and only entry 0.",
        origin="text",
        uuid="text",
        checkpoint_key="text",
        software="map",
    ),
    _kind(
        "key",
        "A public key, bound to an actor and roles; signed by the key itself and by a steward.",
        signed=True,
        actor="text",
        roles="texts",
        purpose="text",
        algorithm="text",
        public_key="text",
        fingerprint="digest",
        optional="certificate:text expires:time",
    ),
    _kind(
        "usecase",
        "What models are for, who owns it and how risky it is.",
        name="text",
        owner_group="text",
        intended_use="text",
        prohibited_use="text",
        jurisdictions="texts",
        risk_tier="map",
        next_review="date",
        optional="affected_groups:texts oversight:text",
    ),
    _kind(
        "dataset",
        "A version of a dataset: its bytes by digest, its shape and where it comes from; never its rows.",
        name="text",
        version="text",
        distribution="map",
        fields="list",
        rows="count",
        role="text",
        temporal_coverage="text",
        label="map",
        sampling="text",
        exclusions="list",
        sensitive_fields="map",
        licence="text",
        optional="derived_from:refs feature_view:text query:text split_membership:digest profile:map",
    ),
    _kind(
        "commit",
        "The code: a git commit, what else lay in the tree, and whether a signature was good.",
        repository="text",
        gitCommit="text",
        gitTree="text",
        content_sha256="digest",
        dirty="flag",
        patch_sha256="digest",
        untracked_sha256="digest",
        signature="map",
        authors="map",
        optional="ref:text untracked:count notebook:map",
    ),
    _kind(
        "params",
        "A parameter set.",
        digest="digest",
        values="value",
        seeds="map",
        decision_cutoff="value",
        optional="search_space:value candidates_tried:count",
    ),
    _kind(
        "environment",
        "What the code ran in.",
        python="text",
        platform="map",
        packages="map",
        lock_file="map",
        optional="image_digest:text accelerator:text driver:text blas:text sbom:digest",
    ),
    _kind(
        "run",
        "One execution, in the words of SLSA provenance v1; failed runs too.",
        name="text",
        type="text",
        buildDefinition="map",
        runDetails="map",
        command="texts",
        status="text",
        inputs="refs",
        optional="error:map trigger:map energy:map",
    ),
    _kind(
        "model",
        "A version of a model: bytes by digest, never loaded.",
        name="text",
        version="count",
        digest="digest",
        files="map",
        run="ref",
        usecase="ref",
        features="map",
        limitations="text",
        optional="vendor:text licence:text card:digest",
    ),
    _kind(
        "metric",
        "One measured number with its definition.",
        definition="map",
        value="value",
        unit="text",
        dataset="ref",
        slice="text",
        n="count",
        counts="map",
        favourable_outcome="text",
        optional="of:ref interval:map weights:text",
    ),
    _kind(
        "document",
        "A document by digest.",
        title="text",
        type="text",
        digest="digest",
        optional="expires:date author_group:text about:refs",
    ),
    _kind(
        "policy",
        "A published version of a policy, with the plan of check ids that every evaluation under it must answer.",
        signed=True,
        id="text",
        version="text",
        digest="digest",
        author="text",
        approver="text",
        effective_from="time",
        controls="texts",
        stage="text",
        plan="texts",
        optional="applies_to:map",
    ),
    _kind(
        "evaluation",
        "What the gates of a policy found for a model's predictions.",
        model="ref",
        model_digest="digest",
        usecase="ref",
        policy="ref",
        policy_digest="digest",
        plan="map",
        data="list",
        attempt="map",
        counts="map",
        checks="list",
        verdict="text",
        tools="map",
        engine="text",
        optional="earlier_explained:list scored_before_policy:map seed:text submission:map",
    ),
    _kind(
        "decision",
        "The verdict of an evaluation as a verification summary (SLSA VSA v1).",
        evaluation="ref",
        model="ref",
        stage="text",
        verdict="text",
        verifier="map",
        timeVerified="time",
        resourceUri="text",
        policy="map",
        inputAttestations="list",
        verificationResult="text",
        results="map",
    ),
    _kind(
        "approval",
        "A person's verdict on a decision.",
        signed=True,
        decision="ref",
        seen="map",
        stage="text",
        verdict="text",
        rationale="text",
        conditions="list",
        independence="text",
        optional="expires:time",
    ),
    _kind(
        "waiver",
        "A failing check that somebody entitled accepts for a time.",
        signed=True,
        model="ref",
        check="text",
        policy_digest="digest",
        observed="value",
        worst_covered="value",
        reason="text",
        compensating_controls="texts",
        owner="text",
        expires="time",
        optional="ticket:text renewal_of:ref",
    ),
    _kind(
        "review",
        "Validation by a second line.",
        model="ref",
        scope="text",
        conclusion="text",
    ),
    _kind(
        "finding",
        "What a human review found.",
        review="ref",
        severity="text",
        owner="text",
        due="date",
        text="text",
        optional="closure:map",
    ),
    _kind(
        "promotion",
        "A model version put into a stage.",
        signed=True,
        model="ref",
        model_digest="digest",
        stage="text",
        decision="ref",
        approvals="refs",
        waivers="refs",
        replaces="ref",
        effective_from="time",
        optional="change_ticket:text emergency:map explained:list",
    ),
    _kind(
        "deployment",
        "A model seen in production.",
        model_digest="digest",
        where="text",
        by="text",
        seen_from="time",
        optional="cutoff:value model:ref",
    ),
    _kind(
        "report",
        "A report that was issued: digests of the file, of its evidence and of its template.",
        signed=True,
        file="map",
        evidence="map",
        template="map",
        as_of="time",
        scope="map",
        checkpoint="map",
        anchor="text",
        signer="map",
    ),
    _kind("role", "A change of an actor's roles.", signed=True, actor="text", roles="texts", reason="text"),
    _kind("erasure", "A side value that was erased.", signed=True, entry="ref", erased="texts", reason="text"),
    _kind("restore", "The ledger was restored from a copy.", checkpoint="map", reason="text"),
    _kind("checkpoint-witnessed", "A witness's cosignature on a checkpoint.", checkpoint="map", cosignature="text"),
    _kind("alert", "Something in production that wants a look.", source="text", alert="map"),
    _kind("retraining", "A retraining that something caused.", cause="ref", reason="text"),
)
"""The one table of kinds. Policies, the control catalogue and the documents refer to these names only."""

_LINKING: Final = {
    kind.name: [name for name, spec in kind.fields.items() if spec.type in ("ref", "refs")] for kind in KINDS.values()
}
"""By kind, the fields that hold references."""


# --------------------------------------------------------------------------- parts of an entry


@dataclass(frozen=True)
class Ref:
    """Another entry: its index, and the leaf hash that decides."""

    seq: int
    leaf: str

    def value(self) -> dict[str, Value]:
        return {"seq": self.seq, "leaf": self.leaf}

    @classmethod
    def of(cls, value: Value) -> Ref:
        """Read a reference out of a body.

        Raises:
            Malformed: the value is not a reference.
        """
        if not (_TYPES["ref"](value)):
            raise Malformed("not a reference to an entry", expected='{"seq": n, "leaf": hex}', got=repr(value)[:60])
        return cls(value["seq"], value["leaf"])


def references(value: Value) -> list[Ref]:
    """The references in a value, however deep: each object that is exactly ``{"seq": n, "leaf": hex}``."""
    found: list[Ref] = []
    _gather((value,), found)
    return found


def _gather(items: Iterable[Value], found: list[Ref]) -> None:
    for item in items:
        if type(item) in _FLAT:
            continue
        if _is_ref(item):
            found.append(Ref(item["seq"], item["leaf"]))
        elif isinstance(item, Mapping):
            _gather(item.values(), found)
        elif isinstance(item, list | tuple):
            _gather(item, found)


_FLAT: Final = frozenset({str, int, float, bool, type(None)})


_REFERENCE: Final = re.compile(rb'\{"leaf":"[0-9a-f]{64}","seq":[0-9]+\}')


def holds_reference(raw: bytes) -> bool:
    """Whether canonical bytes hold a reference, at any place: much cheaper than to look for it in the value.

    Keys have one order and integers one spelling; inside a string each quote has a backslash before it.
    """
    return _REFERENCE.search(raw) is not None


@dataclass(frozen=True)
class Attachment:
    """Bytes that stand beside an entry: by digest, or, if erasable, by salted commitment."""

    name: str
    media_type: str
    data: bytes = field(repr=False)
    salt: bytes | None = field(default=None, repr=False)
    """32 random bytes if the attachment can be erased, else None."""

    @classmethod
    def erasable(cls, name: str, media_type: str, data: bytes) -> Attachment:
        return cls(name, media_type, data, os.urandom(32))

    def value(self) -> dict[str, Value]:
        """The line about it in the entry."""
        line: dict[str, Value] = {"name": self.name, "mediaType": self.media_type, "size": len(self.data)}
        return line | ({"sha256": self.sha256} if self.salt is None else {"hmac_sha256": self._commitment})

    @cached_property
    def sha256(self) -> str:
        """The digest of the data; beside an erasable attachment it must not be stored."""
        return digest(self.data)

    @cached_property
    def _commitment(self) -> str:
        assert self.salt is not None  # noqa: S101 - for the type checker
        return commitment(self.salt, self.name, self.data)


@dataclass(frozen=True)
class Personal:
    """A personal value: the entry holds its commitment, the side store the value and its salt."""

    name: str
    text: str = field(repr=False)
    salt: bytes = field(default_factory=lambda: os.urandom(32), repr=False)

    def value(self) -> dict[str, Value]:
        return {"name": self.name, "hmac_sha256": self._commitment}

    @cached_property
    def _commitment(self) -> str:
        return commitment(self.salt, self.name, encode(self.text))


# --------------------------------------------------------------------------- drafts


@dataclass(frozen=True)
class Draft:
    """An entry before the ledger gives it its place: all but ``seq``, ``prev`` and ``recorded_at``."""

    kind: str
    actor: str
    claimed_at: str
    body: Mapping[str, Value]
    basis: str = "observed"
    subject: tuple[Mapping[str, Value], ...] = ()
    """in-toto resource descriptors: ``{"name": ..., "digest": {"sha256": hex}}``."""
    attachments: tuple[Attachment, ...] = ()
    personal: tuple[Personal, ...] = ()
    supersedes: Ref | None = None
    idempotency_key: str | None = None
    statement: Mapping[str, Value] | None = None
    """A DSSE envelope. It signs :meth:`content`, which holds all fields but this one and the times."""

    def content(self) -> bytes:
        """The bytes that a statement speaks for: everything the draft says, without its times and its statement."""
        return encode(_content(self.value()))

    def intent(self) -> bytes:
        """What is being said apart from times, salts and signatures: equal for a retry of the same request."""
        parts = [[item.name, item.media_type, item.sha256] for item in self.attachments] + [
            [item.name, "", item.text] for item in self.personal
        ]
        plain = {k: v for k, v in _content(self.value()).items() if k not in ("attachments", "personal")}
        return encode({"plain": plain, "parts": parts})

    def signed(self, statement: Mapping[str, Value]) -> Draft:
        return replace(self, statement=statement)

    def value(self) -> dict[str, Value]:
        """The JSON object without ``seq``, ``prev`` and ``recorded_at``."""
        value: dict[str, Value] = {
            "v": VERSION,
            "kind": self.kind,
            "claimed_at": self.claimed_at,
            "actor": self.actor,
            "basis": self.basis,
            "subject": [dict(item) for item in self.subject],
            "body": dict(self.body),
        }
        if self.attachments:
            value["attachments"] = [item.value() for item in self.attachments]
        if self.personal:
            value["personal"] = [item.value() for item in self.personal]
        if self.supersedes is not None:
            value["supersedes"] = self.supersedes.value()
        if self.idempotency_key is not None:
            value["idempotency_key"] = self.idempotency_key
        if self.statement is not None:
            value["statement"] = dict(self.statement)
        return value

    def check(self) -> None:
        """Raise unless the table of kinds allows this draft.

        Raises:
            InvalidRecord: with every problem found, not only the first.
        """
        problems = _problems(self)
        if problems:
            raise InvalidRecord(
                f"{self.kind} record is not allowed: " + "; ".join(problems),
                remedy="docs/reference/records.md lists the fields of each kind.",
            )

    def seal(self, *, seq: int, prev: str, recorded_at: str) -> bytes:
        """The entry's bytes, once its place is known.

        Raises:
            InvalidRecord: the table of kinds does not allow it, or it is larger than 65,535 bytes.
        """
        self.check()
        for item in self.personal:
            _refuse_unassigned(f" of {item.name}", item.text.encode())
        value = self.value()
        value["seq"], value["prev"], value["recorded_at"] = seq, prev, recorded_at
        data = encode(value)
        _refuse_unassigned("", data)
        if len(data) > MAX_ENTRY:
            raise InvalidRecord(
                f"{self.kind} entry is too large",
                expected=f"up to {MAX_ENTRY} bytes",
                got=f"{len(data)} bytes",
                remedy="Move large values into attachments.",
            )
        return data

    def sealed(self, *, seq: int, prev: str, recorded_at: str) -> Entry:
        """The entry of the bytes that :meth:`seal` makes, equal to what ``Entry.parse`` reads in them.

        It shares nothing with the draft, whose body may change afterwards.

        Raises:
            InvalidRecord: as :meth:`seal`, or what was sealed could not be read again as an entry.
        """
        raw = self.seal(seq=seq, prev=prev, recorded_at=recorded_at)
        try:
            return Entry.of(raw, _checked(reread(raw)))
        except Malformed as error:
            raise InvalidRecord(f"{self.kind} record cannot be read back: {error.what}", got=error.got) from error


def _refuse_unassigned(what: str, data: bytes) -> None:
    odd = None if data.isascii() else unassigned(data.decode())
    if odd is not None:
        raise InvalidRecord(
            f"text{what} has a character that not every program knows",
            expected="characters of Unicode 14.0",
            got=f"U+{ord(odd):04X}",
        )


_NOT_CONTENT = frozenset({"seq", "prev", "recorded_at", "claimed_at", "statement", "idempotency_key"})


def _content(value: Mapping[str, Value]) -> dict[str, Value]:
    return {key: item for key, item in value.items() if key not in _NOT_CONTENT}


def _problems(draft: Draft) -> list[str]:
    kind = KINDS.get(draft.kind)
    if kind is None:
        return [f"no kind {draft.kind!r}; there are {', '.join(sorted(KINDS))}"]
    problems = []
    if not _ACTOR.fullmatch(draft.actor):
        problems.append(f"actor {draft.actor[:40]!r} is not a pseudonymous id (small letters, digits, . _ -)")
    if draft.basis not in BASES:
        problems.append(f"basis {draft.basis!r} is not one of {', '.join(sorted(BASES))}")
    if not _TIME.fullmatch(draft.claimed_at):
        problems.append(f"claimed_at {draft.claimed_at!r} is not YYYY-MM-DDThh:mm:ss.ffffffZ")
    if kind.signed and draft.statement is None:
        problems.append("a signature is demanded and there is none")
    attached = [item.name for item in draft.attachments]
    names = attached + [item.name for item in draft.personal]
    problems += [
        f"part name {str(name)[:40]!r} is not 1 to 255 printable characters"
        for name in names
        if not _matches(_NAME, name)
    ]
    if draft.idempotency_key is not None and not _matches(_NAME, draft.idempotency_key):
        problems.append(f"idempotency key {str(draft.idempotency_key)[:40]!r} is not 1 to 255 printable characters")
    if len(names) > 1:
        problems += [f"part {name!r} stands twice" for name in sorted({n for n in names if names.count(n) > 1})]
    body, fields = draft.body, kind.fields
    for name, spec in fields.items():
        if name not in body:
            if spec.required:
                problems.append(f"{name} is missing")
        elif not _TYPES[spec.type](body[name]) and not _stands_for(body[name], spec, attached):
            form = " written YYYY-MM-DD" if spec.type == "date" else ""
            problems.append(f"{name} is not a {spec.type}{form}")
    problems += [f"unknown field {name!r}" for name in body if name not in fields]
    return problems


def _stands_for(value: Value, spec: Field, attached: list[str]) -> bool:
    """Whether a value says that the field's own is absent or attached."""
    if not isinstance(value, dict) or len(value) != 1:
        return False
    return (spec.required and isinstance(value.get("absent"), str)) or value.get("attachment") in attached


def is_time(value: Value) -> bool:
    """Whether a value is a time as entries write it, ``YYYY-MM-DDThh:mm:ss.ffffffZ``, each part in its range."""
    return _matches(_TIME, value)


def _is_text(value: Value) -> bool:
    return isinstance(value, str)


def _is_count(value: Value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_ref(value: Value) -> bool:
    return (
        isinstance(value, dict)
        and len(value) == 2
        and "seq" in value
        and "leaf" in value
        and _is_count(value["seq"])
        and isinstance(value["leaf"], str)
        and _HEX64.fullmatch(value["leaf"]) is not None
    )


def _matches(pattern: re.Pattern[str], value: Value) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


_TYPES: Mapping[str, Callable[[Value], bool]] = {
    "text": _is_text,
    "texts": lambda value: isinstance(value, list) and all(map(_is_text, value)),
    "count": _is_count,
    "flag": lambda value: isinstance(value, bool),
    "digest": lambda value: _matches(_HEX64, value),
    "time": is_time,
    "date": lambda value: _matches(_DATE, value),
    "ref": _is_ref,
    "refs": lambda value: isinstance(value, list) and all(map(_is_ref, value)),
    "map": lambda value: isinstance(value, dict),
    "list": lambda value: isinstance(value, list),
    "value": lambda _: True,
}
"""The types a field may have. ``digest`` is a SHA-256 in lower-case hex, ``value`` any canonical value."""


# --------------------------------------------------------------------------- entries


@dataclass(frozen=True)
class Entry:
    """An entry as it stands in the ledger: its bytes, and what they say."""

    raw: bytes = field(repr=False)
    seq: int
    prev: str
    kind: str
    recorded_at: str
    claimed_at: str
    actor: str
    basis: str
    subject: tuple[Mapping[str, Value], ...]
    body: Mapping[str, Value]
    attachments: tuple[Mapping[str, Value], ...] = ()
    """Lines ``{name, mediaType, size, sha256}``, or ``hmac_sha256`` for an erasable one."""
    personal: tuple[Mapping[str, Value], ...] = ()
    supersedes: Ref | None = None
    idempotency_key: str | None = None
    statement: Mapping[str, Value] | None = None

    @classmethod
    def parse(cls, raw: bytes) -> Entry:
        """Read an entry's bytes. Unknown kinds and unknown fields are kept, in the bytes.

        Raises:
            Malformed: not canonical JSON, or a field that every entry has is missing or of another type.
            NewerFormat: `v` is larger than this version knows.
        """
        return cls.of(raw, entry_value(raw))

    @classmethod
    def of(cls, raw: bytes, value: Mapping[str, Value]) -> Entry:
        """The entry of bytes whose value is at hand: that of :func:`entry_value`, which has checked it."""
        seq, prev, kind, recorded_at, claimed_at, actor, basis, subject, body = _ALWAYS(value)
        return cls(
            raw,
            seq,
            prev,
            kind,
            recorded_at,
            claimed_at,
            actor,
            basis,
            tuple(subject),
            body,
            tuple(value.get("attachments", ())),
            tuple(value.get("personal", ())),
            Ref.of(value["supersedes"]) if "supersedes" in value else None,
            value.get("idempotency_key"),
            value.get("statement"),
        )

    @property
    def leaf(self) -> bytes:
        """The RFC 6962 leaf hash of the bytes."""
        return leaf_hash(self.raw)

    @cached_property
    def ref(self) -> Ref:
        return Ref(self.seq, self.leaf.hex())

    @cached_property
    def references(self) -> frozenset[Ref]:
        """Every entry that this one names, anywhere in its body, and the one it supersedes."""
        found = references(self.body) if holds_reference(self.raw) else []
        return frozenset(found if self.supersedes is None else [*found, self.supersedes])

    @property
    def links(self) -> frozenset[Ref]:
        """The entries named in the fields that the kind keeps for it, and the one it supersedes.

        What stands deeper, in a value that somebody handed in, makes nobody an author of anything.
        """
        found = [] if self.supersedes is None else [self.supersedes]
        if holds_reference(self.raw):
            found += references([self.body.get(name) for name in _LINKING.get(self.kind, ())])
        return frozenset(found)

    def value(self) -> dict[str, Value]:
        """The JSON object that the bytes spell, unknown fields too."""
        value: dict[str, Value] = decode(self.raw, what="entry")
        return value

    def content(self) -> bytes:
        """The bytes that the entry's statement must speak for; see :meth:`Draft.content`."""
        return encode(_content(self.value()))


def entry_value(raw: bytes) -> dict[str, Value]:
    """The JSON object that an entry's bytes spell, checked in all that :meth:`Entry.parse` checks.

    For who walks over millions and looks at a few fields of each: an :class:`Entry` costs half as much again.

    Raises:
        Malformed: not canonical JSON, or a field that every entry has is missing or of another type.
        NewerFormat: `v` is larger than this version knows.
    """
    if len(raw) > MAX_ENTRY:
        raise Malformed("entry is too large", expected=f"up to {MAX_ENTRY} bytes", got=f"{len(raw)} bytes")
    return _checked(decode(raw, what="entry", canonical=True))


def _checked(value: Value) -> dict[str, Value]:
    if not isinstance(value, dict):
        raise Malformed("entry is not an object")
    if not _is_count(value.get("v")) or value["v"] != VERSION:
        if _is_count(value.get("v")) and value["v"] > VERSION:
            raise NewerFormat(
                "entry is of a newer format",
                expected=f"version {VERSION}",
                got=f"version {value['v']}",
                remedy="Use a newer tallystick.",
            )
        raise Malformed("entry has no known version", expected=f'"v": {VERSION}', got=repr(value.get("v"))[:40])
    _check_shape(value)
    return value


def _is_part(value: Value, *, attachment: bool) -> bool:
    if not (isinstance(value, dict) and _is_text(value.get("name"))):
        return False
    hashes = [value[key] for key in ("sha256", "hmac_sha256") if key in value]
    if not attachment and "sha256" in value:  # a plain digest of a personal value could be guessed
        return False
    if len(hashes) != 1 or not _matches(_HEX64, hashes[0]):
        return False
    return not attachment or (_is_count(value.get("size")) and _is_text(value.get("mediaType")))


_SHAPE: Mapping[str, Callable[[Value], bool]] = {
    "kind": _is_text,
    "seq": _is_count,
    "prev": _TYPES["digest"],
    "recorded_at": _TYPES["time"],
    "claimed_at": _TYPES["time"],
    "actor": _is_text,
    "basis": _is_text,
    "subject": lambda value: isinstance(value, list) and all(isinstance(item, dict) for item in value),
    "body": _TYPES["map"],
}
_SHAPE_IF_THERE: Mapping[str, Callable[[Value], bool]] = {
    "attachments": lambda value: isinstance(value, list) and all(_is_part(item, attachment=True) for item in value),
    "personal": lambda value: isinstance(value, list) and all(_is_part(item, attachment=False) for item in value),
    "supersedes": _is_ref,
    "idempotency_key": _is_text,
    "statement": _TYPES["map"],
}


def _check_shape(value: Mapping[str, Value]) -> None:
    bad: list[str] = []
    if not _is_surely_shaped(value):
        bad += [name for name, check in _SHAPE.items() if name not in value or not check(value[name])]
    bad += [name for name, check in _SHAPE_IF_THERE.items() if name in value and not check(value[name])]
    if bad:
        raise Malformed("entry lacks or misspells " + ", ".join(bad))
    _check_names(value)


def _check_names(value: Mapping[str, Value]) -> None:
    """A name stands for one part: another of that name could be withheld behind it."""
    if "attachments" in value or "personal" in value:
        names = [item["name"] for field in ("attachments", "personal") for item in value.get(field, ())]
        if len(names) != len(set(names)):
            raise Malformed("entry names a part twice", got=next(name for name in names if names.count(name) > 1)[:80])


_ALWAYS: Final = itemgetter("seq", "prev", "kind", "recorded_at", "claimed_at", "actor", "basis", "subject", "body")
"""What every entry has, in the order of the fields of :class:`Entry`."""
_PLACE_AND_TIMES: Final = re.compile(" ".join([_HEX64.pattern, _TIME.pattern, _TIME.pattern]), re.ASCII)


def _is_surely_shaped(value: Mapping[str, Value]) -> bool:
    """All of ``_SHAPE`` in one go, for it is asked of every entry that is read; ``_SHAPE`` names what is wrong."""
    try:
        seq, prev, kind, recorded_at, claimed_at, actor, basis, subject, body = _ALWAYS(value)
    except KeyError:
        return False
    return (
        type(kind) is type(actor) is type(basis) is str
        and type(seq) is int
        and seq >= 0
        and type(body) is dict
        and type(subject) is list
        and all([type(item) is dict for item in subject])  # noqa: C419 - a generator costs more than it saves
        and _PLACE_AND_TIMES.fullmatch(f"{prev} {recorded_at} {claimed_at}") is not None
    )
