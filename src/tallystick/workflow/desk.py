"""The desk everything is done at: an open ledger, the folder of keys, and the clock.

A verb takes a desk first, checks what the rules say *inside* the transaction that will append, and appends. So what a
rule saw is what stood in the books when the entry was written.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from tallystick import signing
from tallystick.canonical import Value, encode, time_text
from tallystick.errors import KeyUnavailable, NotFound, UsageError
from tallystick.ledger.ledger import Appended, Ledger, Writer
from tallystick.ledger.places import Place, exists
from tallystick.people.book import Book, Source
from tallystick.people.keys import KeyRing, Person, actor_id
from tallystick.proof.keys import Signer
from tallystick.proof.statement import sign_draft
from tallystick.records import LEDGER_ACTOR, MAX_ENTRY, Attachment, Draft, Entry

__all__ = ["Clock", "Desk", "fitted", "no_passphrase", "now"]

Clock = Callable[[], str]

_ROOM_FOR_PLACE: Final = 400
"""Bytes that seq, prev and recorded_at may add to a draft."""
_STAYS: Final = frozenset({"data"})
_WORTH_MOVING: Final = 256
"""Bytes of a field."""
_ROOM_FOR_STATEMENT: Final = 6_000
"""Bytes that a statement with a verification summary and two signatures may add."""


def now() -> str:
    """The machine's clock, as the ledger writes it. A claim, not a proof."""
    return time_text(datetime.now(UTC))


def no_passphrase(path: Path) -> bytes | None:  # noqa: ARG001 - the shape of signing.Passphrase
    return None


def fitted(draft: Draft, *, spare: int = _ROOM_FOR_PLACE) -> Draft:
    """The draft with its largest fields moved into attachments, until an entry can hold it.

    Never the data of an evaluation: looks at a test set are counted by the digests in the entries' bytes.
    """
    while len(encode(draft.value())) > MAX_ENTRY - spare:
        sizes = {k: len(encode(v)) for k, v in draft.body.items() if k not in _STAYS and not _is_moved(v)}
        movable = {name: size for name, size in sizes.items() if size > _WORTH_MOVING}
        if not movable:
            return draft
        name = max(movable, key=lambda key: movable[key])
        moved = Attachment(f"{name}.json", "application/json", encode(draft.body[name]))
        body = {**draft.body, name: {"attachment": moved.name}}
        draft = replace(draft, body=body, attachments=(*draft.attachments, moved))
    return draft


def _is_moved(value: Value) -> bool:
    return isinstance(value, Mapping) and set(value) == {"attachment"}


@dataclass
class Desk:
    """An open ledger with its keys and its clock. Close it, or use it as a context."""

    ledger: Ledger
    keys: Path
    clock: Clock = now
    passphrase: signing.Passphrase = no_passphrase
    seal: str | None = None
    """The report seal in a token, as a ``pkcs11:`` URI; else it is a key file."""

    @classmethod
    def open(
        cls,
        place: Place,
        *,
        keys: Path,
        writing: bool,
        clock: Clock = now,
        passphrase: signing.Passphrase = no_passphrase,
        seal: str | None = None,
    ) -> Desk:
        """Open a ledger that exists; for writing, its own key is loaded too.

        Args:
            place: the path of the ledger, or its URL.
            keys: the folder of keys.

        Raises:
            NotFound: there is no ledger (none is ever created implicitly).
            KeyUnavailable: the ledger's key is missing, locked or open to others.
        """
        if not exists(place):
            raise NotFound(
                "no ledger here",
                where=str(place),
                remedy="Go to its folder, or name it with --ledger; a new one: tallystick init --name NAME",
            )
        signer = None
        if writing:
            signer = signing.load_signer(keys / f"{signing.LEDGER_KEY}.pem", passphrase=passphrase)
        ledger = Ledger.open(place, signer=signer, read_only=not writing)
        return cls(ledger, keys, clock, passphrase, seal)

    def __enter__(self) -> Desk:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ledger.close()

    @property
    def origin(self) -> str:
        return self.ledger.origin

    # ------------------------------------------------------------- reading

    def book(self, source: Source | None = None) -> Book:
        """What stands in the ledger, or in an open transaction, at this moment; read when it is asked for.

        What is appended afterwards stands in the next book.
        """
        return Book.over(self.ledger if source is None else source)

    def actor(self, label: str | None) -> str:
        """The pseudonymous id of whoever holds the key of this label; its public half is enough.

        Raises:
            UsageError: nobody was named.
            KeyUnavailable: no key of that label.
        """
        if not label:
            known = ", ".join(signing.labels(self.keys)) or "none yet: tallystick key new"
            raise UsageError(
                "nobody is named as the one who acts", expected=f"one of the keys here ({known})",
                remedy="Add --as LABEL (in Python: actor=LABEL), or set TALLYSTICK_AS.",
            )  # fmt: skip
        if label == LEDGER_ACTOR:
            raise UsageError("the ledger does not act for people", got=label)
        return self._of_label(label).actor

    def _of_label(self, label: str) -> Person:
        path = self.keys / f"{label}.pub"
        key = signing.load_public(path)
        person = KeyRing.of(self.book()).holder(key)
        if person is None:
            raise KeyUnavailable(
                "key is not registered on this ledger",
                where=str(path),
                got=actor_id(key.fingerprint),
                remedy="Register it with: tallystick key new",
            )
        return person

    def signer(self, label: str) -> Signer:
        return signing.load_signer(self.keys / f"{label}.pem", passphrase=self.passphrase)

    def seal_key(self) -> EllipticCurvePrivateKey:
        """The key of the report seal, from the token or the file.

        Raises:
            KeyUnavailable: missing, locked or open to others.
        """
        path = self.keys / f"{signing.SEAL_KEY}.pem"
        if self.seal is None:
            return signing.for_documents(signing.load_private(path, passphrase=self.passphrase), path)
        from tallystick import tokens

        return tokens.seal_key(self.seal, pin=lambda: self.passphrase(path))

    # ------------------------------------------------------------- writing

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        """One transaction: what is appended inside is durable, all or nothing, when the block ends."""
        with self.ledger.writing(now=self.clock) as writer:
            yield writer

    def append(self, draft: Draft) -> Appended:
        """Append one unsigned record."""
        with self.writing() as writer:
            return writer.append(fitted(draft))

    def sign(
        self,
        draft: Draft,
        *,
        by: list[Signer],
        speaks_of: Entry | None = None,
        stage: str | None = None,
        predicate: Mapping[str, Value] | None = None,
    ) -> Draft:
        """The draft with the statement of those who sign it; nonce and time are drawn here."""
        return sign_draft(
            fitted(draft, spare=_ROOM_FOR_PLACE + _ROOM_FOR_STATEMENT),
            ledger=self.origin,
            signer_id=draft.actor,
            signers=by,
            nonce=os.urandom(16).hex(),
            signed_at=self.clock(),
            speaks_of=None if speaks_of is None else speaks_of.ref.leaf,
            stage=stage,
            predicate=predicate or {},
        )
