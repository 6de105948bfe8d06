"""What others say of a file: when it was there, and who sealed it.

Both need an authority that the reader trusts and brings along, and both are apart from whether the file is unaltered. A
time stamp binds from one side: what it is over was there by then. The time that a signer claims binds nothing; where a
time stamp over the signature is earlier, the signer's clock was ahead, and the claim is refuted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from tallystick.errors import TallystickError
from tallystick.proof import certificates, timestamp
from tallystick.proof.anchors import Outcome
from tallystick.proof.certificates import Authorities, Revocation

if TYPE_CHECKING:
    from tallystick.proof.pdf import PdfFacts, Stamp

__all__ = ["Signer", "Stamped", "answered", "signer", "stamped"]

_SKEW: Final = timedelta(minutes=5)
"""By how much clocks may differ before one is said to be ahead."""
_OVER: Final = {"signature": "the signature", "file": "the file up to the time stamp"}

Line = tuple[str, Outcome, str]
"""Name, outcome and detail of a check."""


@dataclass(frozen=True)
class Stamped:
    """What became of a time stamp."""

    outcome: Outcome | None
    """None if it holds by itself, and nobody was named whom to believe about the time."""
    detail: str
    at: datetime | None = None


@dataclass(frozen=True)
class Signer:
    """What is known of whoever sealed a report."""

    checks: tuple[Line, ...]
    not_proven: tuple[str, ...]


def answered(answer: bytes, data: bytes, what: str, authorities: Authorities) -> Stamped:
    """What an answer of a time-stamping authority says of bytes."""
    try:
        token = timestamp.read(timestamp.open_answer(answer))
        token.check_over(data)
    except TallystickError as error:
        return Stamped("failed", f"{what}: {error}")
    return _believed(token, what, authorities, (), ())


def stamped(stamp: Stamp, facts: PdfFacts, authorities: Authorities) -> Stamped:
    """What a time stamp in a PDF says; that it is over what it should be was looked at with the file."""
    return _believed(stamp.token, _OVER[stamp.over], authorities, facts.others, facts.revocations)


def _believed(
    token: timestamp.Token,
    what: str,
    authorities: Authorities,
    others: tuple[bytes, ...],
    lists: tuple[bytes, ...],
) -> Stamped:
    if not authorities.time:
        return Stamped(None, f"{what} at {token.time}, says {token.authority}", token.at)
    outcome, why = timestamp.judge(token, authorities.time, others=others, lists=(*lists, *authorities.revocations))
    proven = f"{what}: proven to exist {why}" if outcome == "ok" else f"{what}: {why}"
    return Stamped(outcome, proven, token.at)


def signer(facts: PdfFacts, authorities: Authorities, *, proven_at: datetime | None) -> Signer:
    """Who sealed a report, at the time that is proven, else at the time that the signer claims.

    Args:
        proven_at: when the signature was there, as time stamps that the reader believes say.
    """
    years = tuple(_years(facts))
    checks = (*_clock(facts, proven_at), *years)
    if years or not authorities.identity:
        return Signer(checks, ())
    return Signer((*checks, _identity(facts, authorities, proven_at)), tuple(_unknown(facts, authorities, proven_at)))


def _clock(facts: PdfFacts, proven_at: datetime | None) -> Iterator[Line]:
    if proven_at is not None and facts.claimed_at > proven_at + _SKEW:
        why = f"the seal claims {_text(facts.claimed_at)}, and was there at {_text(proven_at)}: its clock was ahead"
        yield "clock", "failed", why


def _years(facts: PdfFacts) -> Iterator[Line]:
    """A certificate that had run out, or had not begun, by the seal's own claim."""
    first, last = certificates.years(facts.certificate)
    if not first <= facts.claimed_at <= last:
        years = f"{_text(first)} to {_text(last)}"
        yield "identity", "failed", f"the certificate was valid from {years}, and sealed at {_text(facts.claimed_at)}"


def _identity(facts: PdfFacts, authorities: Authorities, proven_at: datetime | None) -> Line:
    moment = proven_at or facts.claimed_at
    led = certificates.leads(
        facts.certificate, facts.others, authorities.identity, at=moment, purpose=certificates.DOCUMENTS
    )
    when = f"{'proven' if proven_at else 'claimed'} time of sealing, {_text(moment)}"
    who = f"{facts.subject}, certified by {certificates.issuer(facts.certificate)}"
    if led == "unknown":
        return "identity", "unknown", f"not verified: none of the given authorities vouches for {facts.subject}"
    if led == "outside":
        return "identity", "failed", f"the certificates that vouch for {facts.subject} were not valid at the {when}"
    revoked = _revocation(facts, authorities, proven_at)
    if revoked.at is not None:
        return _after_revocation(revoked, revoked.at, proven_at)
    last = certificates.years(facts.certificate)[1]
    if proven_at is None and authorities.now is not None and authorities.now > last:
        why = f"the certificate of {who} ran out at {_text(last)}, and no time stamp shows that it sealed before"
        return "identity", "unknown", why
    return "identity", "ok", f"{who}, at the {when}"


def _after_revocation(revoked: Revocation, moment: datetime, proven_at: datetime | None) -> Line:
    at = f"the certificate of {revoked.who} was revoked at {_text(moment)}"
    if proven_at is None:
        return "identity", "failed", f"{at}, and no time stamp shows that it sealed before"
    if proven_at >= moment:
        return "identity", "failed", f"{at}, and the seal is proven only from {_text(proven_at)}"
    return "identity", "ok", f"{at}, after it sealed at {_text(proven_at)}"


def _revocation(facts: PdfFacts, authorities: Authorities, proven_at: datetime | None) -> Revocation:
    """Asked of the time that is proven, else of the moment of reading: a claim of the signer's is not asked."""
    return certificates.revocation(
        facts.certificate,
        facts.others,
        authorities.identity,
        (*facts.revocations, *authorities.revocations),
        at=proven_at or facts.claimed_at,
        asked=proven_at or authorities.now or facts.claimed_at,
        purpose=certificates.DOCUMENTS,
    )


def _unknown(facts: PdfFacts, authorities: Authorities, proven_at: datetime | None) -> Iterator[str]:
    found = _revocation(facts, authorities, proven_at)
    if found.at is None and not found.known:
        yield (
            "Whether a certificate that vouches for the seal was revoked is not known: for each of them a list of its "
            "issuer is needed that speaks of that time."
        )


def _text(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
