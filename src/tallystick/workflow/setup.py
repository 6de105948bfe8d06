"""Set up a ledger, and give people keys."""

from __future__ import annotations

import base64
import os
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from tallystick import signing
from tallystick.canonical import b64
from tallystick.errors import CommitUnknown, NotFound, Refused, TallystickError, Unavailable, UsageError
from tallystick.ledger.ledger import Appended, Ledger
from tallystick.ledger.places import Place
from tallystick.people.keys import ROLES, STATEMENT, KeyRing, actor_id, entitled
from tallystick.proof.keys import Signer
from tallystick.proof.note import VerifierKey
from tallystick.proof.statement import sign_draft
from tallystick.records import LEDGER_ACTOR, Attachment, Draft, Personal
from tallystick.workflow.desk import Clock, Desk, now

__all__ = ["add_person", "init", "seal_certificate", "seal_registration", "spki"]

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}(/[a-z0-9][a-z0-9.-]{0,62})*")
_LABEL = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_SEAL_YEARS = 10


def init(place: Place, *, name: str, keys: Path, clock: Clock = now, passphrase: bytes | None = None) -> Ledger:
    """Create a ledger, its checkpoint key and its report seal.

    Args:
        place: the path of the new ledger, or the URL of a database that holds none.
        keys: the folder of keys; made if need be.
        name: the first part of the origin, such as ``bank.example/credit``; a uuid is added, so that no two ledgers
            can be shown for each other.

    Raises:
        Refused: there is a ledger, or there are its keys, already. Nothing is overwritten.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            "name of a ledger is not usable", got=name, expected="small letters, digits, dots, dashes and slashes"
        )
    if isinstance(place, Path):
        _make_room(place)
    identity = str(uuid.uuid4())
    origin = f"{name}/{identity}"
    with _taken_back(keys) as make_key:
        ledger_key = Signer(make_key(signing.LEDGER_KEY, "ed25519", passphrase))
        made = make_key(signing.SEAL_KEY, "ecdsa-p256", passphrase)
        seal_key = signing.for_documents(made, keys / f"{signing.SEAL_KEY}.pem")
        certificate = seal_certificate(seal_key, origin)
        first = [
            _genesis(origin, identity, ledger_key, clock()),
            seal_registration(origin, ledger_key, seal_key, clock(), certificate=certificate),
        ]
        return Ledger.create(place, origin=origin, signer=ledger_key, first=first, now=clock())


@contextmanager
def _taken_back(keys: Path) -> Iterator[Callable[[str, str, bytes | None], signing.PrivateKey]]:
    """Make keys, and remove them again if their ledger was not made: they would stand in the way of the next attempt.

    If it is not known whether it was made they stay: it would have no others.
    """
    made: list[str] = []

    def make_key(label: str, algorithm: str, passphrase: bytes | None) -> signing.PrivateKey:
        key = signing.make_key(keys, label, algorithm, passphrase=passphrase)
        made.append(label)
        return key

    try:
        yield make_key
    except CommitUnknown:
        raise
    except TallystickError:
        for label in made:
            signing.discard_key(keys, label)
        raise


def _make_room(path: Path) -> None:
    if path.exists():
        raise Refused(
            "there is a ledger here", where=str(path), remedy="Use it, or choose another place with --ledger."
        )
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable("folder of the ledger cannot be made", where=str(path.parent), got=error.strerror) from error


def _genesis(origin: str, identity: str, key: Signer, at: str) -> Draft:
    body = {
        "origin": origin,
        "uuid": identity,
        "checkpoint_key": str(VerifierKey(origin, key.public)),
        "software": {"name": "tallystick", "version": version("tallystick")},
    }
    return Draft("ledger", LEDGER_ACTOR, at, body)


def seal_certificate(key: EllipticCurvePrivateKey, origin: str) -> bytes:
    """A certificate that the ledger makes for its report seal, DER; it vouches for nobody, and says so."""
    from tallystick.report.seal import self_signed

    start = datetime.now(UTC).replace(microsecond=0)
    return self_signed(
        key,
        common_name=f"tallystick report seal of {origin}"[:64],
        not_before=start - timedelta(minutes=5),
        not_after=start + timedelta(days=365 * _SEAL_YEARS),
        serial=int.from_bytes(os.urandom(16), "big") >> 1,
    )


def seal_registration(
    origin: str,
    ledger_key: Signer,
    key: EllipticCurvePrivateKey,
    at: str,
    *,
    certificate: bytes,
    attachments: tuple[Attachment, ...] = (),
) -> Draft:
    """The entry that registers the report seal with a certificate, signed by its key and the ledger's."""
    signer = Signer(key)
    draft = _registration(LEDGER_ACTOR, [], "report-seal", signer, at, certificate=certificate)
    return _signed(replace(draft, attachments=attachments), origin, [signer, ledger_key], at)


def spki(key: EllipticCurvePrivateKey) -> bytes:
    """The public half, as DER SubjectPublicKeyInfo."""
    return Signer(key).public.spki


def _registration(
    actor: str,
    roles: list[str],
    purpose: str,
    key: Signer,
    at: str,
    *,
    certificate: bytes | None = None,
    personal: tuple[Personal, ...] = (),
) -> Draft:
    public = key.public
    body = {
        "actor": actor,
        "roles": roles,
        "purpose": purpose,
        "algorithm": public.algorithm,
        "public_key": b64(public.spki),
        "fingerprint": public.fingerprint,
    }
    if certificate is not None:
        body["certificate"] = base64.b64encode(certificate).decode()
    subject = ({"name": actor, "digest": {"sha256": public.fingerprint}},)
    return Draft("key", actor, at, body, basis="declared", subject=subject, personal=personal)


def _signed(draft: Draft, origin: str, signers: list[Signer], at: str) -> Draft:
    return sign_draft(
        draft, ledger=origin, signer_id=draft.actor, signers=signers, nonce=os.urandom(16).hex(), signed_at=at
    )


def add_person(
    desk: Desk,
    label: str,
    *,
    roles: list[str],
    by: str | None = None,
    name: str | None = None,
    email: str | None = None,
    algorithm: str = "ed25519",
    passphrase: bytes | None = None,
) -> Appended:
    """Make a key for somebody and register it.

    The first person becomes a steward besides their other roles; later ones need a steward's signature.
    Name and e-mail address are personal data: the entry holds commitments, the values can be erased.

    Args:
        by: label of the steward's key that signs the registration; not needed for the first person.

    Raises:
        Refused: no steward signs, or the key of that label exists.
    """
    if not _LABEL.fullmatch(label) or label in (signing.LEDGER_KEY, signing.SEAL_KEY):
        raise UsageError(
            "label of a key is not usable", got=label, expected="small letters, digits, dashes; not ledger or seal"
        )
    unknown = [role for role in roles if role not in ROLES]
    if unknown:
        raise UsageError("no such role", got=", ".join(unknown), expected="some of " + ", ".join(ROLES))
    personal = tuple(Personal(key, text) for key, text in (("name", name), ("email", email)) if text)
    with desk.writing() as writer:
        ring = KeyRing.of(desk.book(writer))
        signers = _stewards(desk, ring, by)
        if not ring.persons and "steward" not in roles:
            roles = [*roles, "steward"]
        key = Signer(_unused_or_new(desk, ring, label, algorithm, passphrase))
        at = desk.clock()
        actor = actor_id(key.public.fingerprint)
        draft = _registration(actor, roles, STATEMENT, key, at, personal=personal)
        return writer.append(_signed(draft, desk.origin, [key, *signers], at))


def _unused_or_new(
    desk: Desk, ring: KeyRing, label: str, algorithm: str, passphrase: bytes | None
) -> signing.PrivateKey:
    """A new key; or the one of that label if nobody is registered with it, as after a registration cut short."""
    path = desk.keys / f"{label}.pem"
    if not path.exists():
        return signing.make_key(desk.keys, label, algorithm, passphrase=passphrase)
    private = signing.load_private(path, passphrase=lambda _: passphrase)
    if ring.holder(Signer(private).public) is not None:
        raise Refused("a key of this label is registered", where=str(path), remedy="Choose another label.")
    if passphrase is not None and not signing.is_locked(path):
        raise Refused(
            "a key of this label is there, and no passphrase protects it",
            where=str(path),
            remedy="Choose another label, or remove it: nobody is registered with it.",
        )
    signing.complete_key(path, private)
    return private


def _stewards(desk: Desk, ring: KeyRing, by: str | None) -> list[Signer]:
    if not ring.persons:
        return []
    if by is None:
        raise Refused("a steward must sign this registration", remedy="Add --by LABEL, the label of a steward's key.")
    signer = desk.signer(by)
    person = ring.holder(signer.public)
    if person is None:
        raise NotFound("key is not registered on this ledger", got=by)
    if not entitled(person.roles, "register"):
        raise Refused("only a steward registers keys", got=f"{by} is {', '.join(person.roles)}")
    return [signer]
