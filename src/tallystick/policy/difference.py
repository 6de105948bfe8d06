"""What changed between two policies, in plain words: thresholds first, then everything else, and nothing left out.

Whatever was written differently is named, for the digest covers the document as written. Gates, metrics and columns are
told apart by their names, so that a changed order alone is one line, not many.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from tallystick import canonical
from tallystick.canonical import Value
from tallystick.policy.document import Policy
from tallystick.policy.threshold import Threshold

__all__ = ["Change", "difference"]

Kind = Literal["removed", "added", "looser", "stricter", "changed"]

_LIMITS: Final = {"fail_if": "fails", "warn_if": "warns"}


@dataclass(frozen=True)
class Change:
    """One thing that is otherwise."""

    kind: Kind
    """``looser`` and ``stricter`` speak of a threshold that moved; what cannot be told so is ``changed``."""
    what: str
    """The check, or the way to the key."""
    words: str


def difference(old: Policy, new: Policy) -> list[Change]:
    """Every difference, checks first; empty only if both are the same document."""
    return [*_plans(old, new), *_keys(old, new)]


def _plans(old: Policy, new: Policy) -> Iterator[Change]:
    for check in old.planned:
        if check.id not in new.plan:
            yield Change("removed", check.id, f"no longer asked: {check.demand}")
    for check in new.planned:
        if check.id not in old.plan:
            yield Change("added", check.id, f"asked anew: {check.demand}")


def _keys(old: Policy, new: Policy) -> Iterator[Change]:
    before, after = (_flat(canonical.decode(policy.canonical)) for policy in (old, new))
    for path in sorted({*before, *after}):
        was, now = before.get(path), after.get(path)
        if was == now or _is_a_check_apart(path, before, after):
            continue
        yield _limit(path, was, now) or Change("changed", path, _said(was, now))
    if before == after and old.digest != new.digest:
        yield Change("changed", "gates", "the same gates, metrics and columns stand in another order")


def _is_a_check_apart(path: str, before: Mapping[str, Value], after: Mapping[str, Value]) -> bool:
    """Whether a key belongs to a gate or metric that only one side has: its checks are told already."""
    parts = path.split("/")
    if parts[0] != "gates" or len(parts) < 3:
        return False
    gate = "/".join(parts[:2])
    if not (_has(gate, before) and _has(gate, after)):
        return True
    member = "/".join(parts[:4])
    named = len(parts) > 4 and parts[2] in ("metrics", "columns", "rules")
    return named and not (_has(member, before) and _has(member, after))


def _has(prefix: str, flat: Mapping[str, Value]) -> bool:
    return any(path.startswith(f"{prefix}/") for path in flat)


def _flat(value: Value, path: str = "") -> dict[str, Value]:
    """Each value by the way to it; members of a list by their name where they have one."""
    found: dict[str, Value] = {}
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            found |= _flat(item, f"{path}/{key}" if path else str(key))
        return found
    if isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
        names = [item.get("id") or item.get("name") for item in value]
        if all(isinstance(name, str) for name in names) and len(set(names)) == len(names):
            for name, item in zip(names, value, strict=True):
                found |= _flat(item, f"{path}/{name}")
            return found
    return {path: value}


def _limit(path: str, was: Value, now: Value) -> Change | None:
    """A threshold that moved, came or went; None if the key is none, or cannot be read as one."""
    holder, _, key = path.rpartition("/")
    holder = holder.removeprefix("gates/").replace("/metrics/", "/")
    if key not in _LIMITS:
        return None
    old, new = (None if text is None else _parsed(text) for text in (was, now))
    if (old is None) != (was is None) or (new is None) != (now is None):
        return None
    verb = _LIMITS[key]
    if old is None and new is not None:
        return Change("stricter", holder, f"now {verb} if {new.text}, which it did not before")
    if new is None and old is not None:
        return Change("looser", holder, f"no longer {verb} if {old.text}")
    assert old is not None and new is not None  # noqa: S101, PT018 - for the type checker: the digest differs here
    return Change(_moved(old, new), holder, f"{verb} if {new.text} (was {old.text})")


def _parsed(text: Value) -> Threshold | None:
    try:
        return Threshold.parse(str(text), percent=True)
    except ValueError:
        return None


def _moved(old: Threshold, new: Threshold) -> Kind:
    if (old.wants_high, old.rows) != (new.wants_high, new.rows):
        return "changed"
    if old.limit == new.limit:
        same = len(old.op) == len(new.op)
        return "changed" if same else "stricter" if len(new.op) > len(old.op) else "looser"
    return "stricter" if (new.limit > old.limit) == new.wants_high else "looser"


def _said(was: Value, now: Value) -> str:
    if was is None:
        return f"now {_short(now)}; it did not stand there before"
    if now is None:
        return f"no longer there (was {_short(was)})"
    return f"{_short(now)} (was {_short(was)})"


def _short(value: Value) -> str:
    text = value if isinstance(value, str) else canonical.encode(value).decode()
    return text if len(text) <= 200 else text[:199] + "…"
