"""Whose key is whose, from the ledger's own entries.

The chain of trust, each link an entry that was signed when it was made:

1. the checkpoint key of entry 0, which the reader of a proof brings along and compares;
2. the ledger's report seal, signed by itself and by the checkpoint key;
3. the first person, whose key signs for itself and who therefore must be a steward;
4. everybody else, signed by their own key and by a steward registered before.

So whoever holds the ledger's key cannot make an approver: that takes a steward's key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from tallystick.canonical import unb64
from tallystick.errors import Malformed, NotFound, NotVerified, Tampered
from tallystick.people.book import Book
from tallystick.proof.envelope import read_unverified
from tallystick.proof.keys import PublicKey
from tallystick.proof.note import VerifierKey
from tallystick.proof.statement import Signed, check_statement
from tallystick.records import LEDGER_ACTOR, Entry

__all__ = ["RIGHTS", "ROLES", "STATEMENT", "KeyRing", "Person", "actor_id", "entitled", "spoken"]

RIGHTS: Final[Mapping[str, frozenset[str]]] = {
    "engineer": frozenset({"record", "promote"}),
    "risk-officer": frozenset({"record", "publish", "approve", "promote"}),
    "steward": frozenset({"register"}),
    "auditor": frozenset(),
}
"""What each role may sign for. Recording needs no signature, so anybody with write access may record."""
ROLES: Final = tuple(RIGHTS)
STATEMENT: Final = "statement"
"""The purpose of people's keys; the ledger's own have others."""


def actor_id(fingerprint: str) -> str:
    """The pseudonymous id of whoever registers first with this key."""
    return "p-" + fingerprint[:8]


def entitled(roles: tuple[str, ...], right: str) -> bool:
    return any(right in RIGHTS.get(role, ()) for role in roles)


@dataclass(frozen=True)
class Person:
    """An actor with a key."""

    actor: str
    roles: tuple[str, ...]
    key: PublicKey
    entry: Entry
    """The entry that registered the key."""


class KeyRing:
    """The registered keys of a book, each link of the chain verified."""

    def __init__(
        self, *, origin: str, checkpoint_key: PublicKey, persons: Mapping[str, Person], seal: Entry | None
    ) -> None:
        self.origin = origin
        self.checkpoint_key = checkpoint_key
        self.persons = persons
        self.seal = seal
        """The newest entry that registered the ledger's report seal."""
        self._held: dict[bytes, bool] = {}

    @classmethod
    def of(cls, book: Book) -> KeyRing:
        """Read and verify every key entry of a book.

        Raises:
            NotFound: entry 0 is not in the book.
            Tampered: a registration is not signed as the chain demands.
        """
        genesis = book.of_kind("ledger")
        if not genesis or genesis[0].seq != 0:
            raise NotFound("the ledger's first entry is not at hand", where="entry 0")
        checkpoint_key = VerifierKey.parse(str(genesis[0].body.get("checkpoint_key"))).public
        ring = cls(origin=book.origin, checkpoint_key=checkpoint_key, persons={}, seal=None)
        for entry in book.of_kind("key"):
            ring = ring._with(entry)
        return ring

    def _with(self, entry: Entry) -> KeyRing:
        key = _registered_key(entry)
        check_statement(entry, ledger=self.origin, keys=[key])
        if entry.actor == LEDGER_ACTOR:
            check_statement(entry, ledger=self.origin, keys=[self.checkpoint_key])
            return self._copy(seal=entry)
        roles, actor = _registered_roles(entry), entry.body.get("actor")
        if actor != entry.actor or entry.actor in self.persons:
            raise Tampered("key is registered for an actor who has one, or by another", where=f"entry {entry.seq}")
        self._refuse_reuse(entry, key)
        if self.persons:
            stewards = [p.key for p in self.persons.values() if entitled(p.roles, "register")]
            _countersigned(entry, self.origin, stewards)
        elif not entitled(roles, "register"):
            raise Tampered("the first person registered is not a steward", where=f"entry {entry.seq}")
        return self._copy(persons={**self.persons, entry.actor: Person(entry.actor, roles, key, entry)})

    def _refuse_reuse(self, entry: Entry, key: PublicKey) -> None:
        """One key, one person, one purpose: under two names somebody could approve what they made."""
        where = f"entry {entry.seq}"
        if entry.body.get("purpose") != STATEMENT:
            raise Tampered("a person's key is for another purpose", where=where, expected=STATEMENT)
        if key == self.checkpoint_key:
            raise Tampered("the ledger's own key is registered for a person", where=where)
        if self.holder(key) is not None:
            raise Tampered("key was registered before, for another actor", where=where)

    def _copy(self, *, persons: Mapping[str, Person] | None = None, seal: Entry | None = None) -> KeyRing:
        return KeyRing(
            origin=self.origin,
            checkpoint_key=self.checkpoint_key,
            persons=self.persons if persons is None else persons,
            seal=self.seal if seal is None else seal,
        )

    @property
    def first(self) -> Person | None:
        """The person with whom the chain begins; that nobody came before is for the book's entries to show."""
        return next(iter(self.persons.values()), None)

    def person(self, actor: str) -> Person:
        """Raises NotFound if nobody of that id has a key."""
        try:
            return self.persons[actor]
        except KeyError:
            raise NotFound("nobody with this id has a key on the ledger", got=actor) from None

    def may(self, actor: str, right: str) -> bool:
        """Whether somebody may sign for this; nobody but registered people may."""
        return actor in self.persons and entitled(self.persons[actor].roles, right)

    def holder(self, key: PublicKey) -> Person | None:
        """Whoever a key is registered for."""
        return next((person for person in self.persons.values() if person.key == key), None)

    def sound(self, entries: Iterable[Entry]) -> list[Entry]:
        """Those entries whose signature holds, each statement only where it first stood.

        Whoever can append can copy what somebody signed once more; the nonce in the statement says that it is old.
        """
        found: list[Entry] = []
        said: set[bytes] = set()
        for entry in entries:
            payload = spoken(entry)
            if payload not in said and self._holds(entry):
                said.add(payload)
                found.append(entry)
        return found

    def _holds(self, entry: Entry) -> bool:
        """Asked of the same entries again and again while rules are applied: answered once for each."""
        if entry.raw not in self._held:
            try:
                self.check(entry)
                self._held[entry.raw] = True
            except NotVerified:
                self._held[entry.raw] = False
        return self._held[entry.raw]

    def check(self, entry: Entry) -> Signed:
        """Check that an entry's statement was signed by its actor, with a key registered before it.

        Raises:
            Tampered: no statement, another signer, a key registered later, or a signature that fails.
        """
        if entry.statement is None:
            raise Tampered("entry carries no signature", where=f"entry {entry.seq}")
        if entry.actor == LEDGER_ACTOR:
            keys = [self.checkpoint_key]
        else:
            person = self.persons.get(entry.actor)
            if person is None or person.entry.seq >= entry.seq:
                raise Tampered("entry is signed by nobody who had a key", where=f"entry {entry.seq}", got=entry.actor)
            keys = [person.key]
        signed = check_statement(entry, ledger=self.origin, keys=keys)
        if signed.signer_id != entry.actor:
            raise Tampered("statement names another signer", where=f"entry {entry.seq}", got=signed.signer_id)
        return signed


def spoken(entry: Entry) -> bytes:
    """The bytes that were signed, whatever the spelling of their base64; an entry without any speaks for itself."""
    try:
        return read_unverified(entry.statement or {})[1]
    except Malformed:
        return entry.raw


def _registered_key(entry: Entry) -> PublicKey:
    try:
        key = PublicKey(entry.body["algorithm"], unb64(entry.body["public_key"], what="public key"))
    except (KeyError, TypeError) as error:
        raise Tampered("key entry holds no key", where=f"entry {entry.seq}") from error
    if key.fingerprint != entry.body.get("fingerprint"):
        raise Tampered("fingerprint is not that of the key", where=f"entry {entry.seq}")
    return key


def _registered_roles(entry: Entry) -> tuple[str, ...]:
    roles = entry.body.get("roles")
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise Malformed("key entry holds no list of roles", where=f"entry {entry.seq}")
    return tuple(roles)


def _countersigned(entry: Entry, origin: str, stewards: list[PublicKey]) -> None:
    try:
        check_statement(entry, ledger=origin, keys=stewards)
    except NotVerified as error:
        raise Tampered("no steward signed this registration", where=f"entry {entry.seq}") from error
