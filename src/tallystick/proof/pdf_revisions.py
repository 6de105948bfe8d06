"""What may follow a signed PDF: revisions that add validation data (DSS) and document time stamps, object by object.

Nothing that was signed may come to mean something else. So of each revision every object is accounted for: it is the
catalogue with a DSS and no other change, the form with one more field, that field and its time stamp, or a part of the
DSS; and each part of the DSS is a certificate or a list of revocations, whole. An object that no such place leads to,
one that is freed, and one that was something else before, refuse the file. (pyHanko has rules of its own for later
revisions; they allow more, and on a tagged report they take time in the square of its structure.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Final

from tallystick.errors import Malformed, Tampered

__all__ = ["Added", "added"]

_TRAILER: Final = frozenset(
    {"/Size", "/Root", "/Info", "/ID", "/Prev", "/Type", "/Index", "/W", "/Length", "/Filter", "/DecodeParms"}
)
_DSS: Final = frozenset({"/Type", "/Certs", "/CRLs"})
_FIELD: Final = frozenset({"/FT", "/T", "/V", "/Type", "/Subtype", "/F", "/Rect"})
"""No appearance, no page, no action: there is nothing to see."""
_STAMP: Final = frozenset({"/Type", "/Filter", "/SubFilter", "/ByteRange", "/Contents"})
_STREAM: Final = frozenset({"/Length", "/Filter"})
_MOST: Final = 200
"""Certificates and lists of one file."""


@dataclass(frozen=True)
class Added:
    """The validation data that the revisions hold, DER."""

    certificates: tuple[bytes, ...] = field(default=(), repr=False)
    revocations: tuple[bytes, ...] = field(default=(), repr=False)


def added(reader: Any, *, after: int) -> Added:
    """Check every revision after the signed one.

    Raises:
        Tampered: a revision adds or changes something else.
    """
    last = reader.xrefs.total_revisions - 1
    if last == after:
        return Added()
    for revision in range(after + 1, last + 1):
        _Revision(reader, revision).check()
    store = _get(reader.get_historical_resolver(last).root, "/DSS")
    return Added(_data(store, "/Certs"), _data(store, "/CRLs"))


class _Revision:
    """One revision: what it defines, and what of that was accounted for."""

    def __init__(self, reader: Any, number: int) -> None:
        self.xrefs = reader.xrefs
        self.number = number
        self.before = reader.get_historical_resolver(number - 1)
        self.now = reader.get_historical_resolver(number)
        self.known: set[Any] = set()

    def check(self) -> None:
        self._check_trailer()
        catalogue, old = self.now.root, self.before.root
        self.known.add(self.now.root_ref)
        self._same_but(old, catalogue, {"/DSS", "/AcroForm"}, "catalogue")
        self._check_store(old, catalogue)
        self._check_form(old, catalogue)
        defined = self.now.explicit_refs_in_revision()
        self.known |= {ref for ref in defined if _is_table(self.now.get_object(ref))}
        strange = sorted(ref.idnum for ref in defined - self.known)
        if strange:
            raise Tampered(
                "a later revision of the PDF defines other objects than validation data and time stamps",
                got=f"object {strange[0]}",
            )

    def _check_trailer(self) -> None:
        if self.now.refs_freed_in_revision() or self.xrefs.object_streams_used_in(self.number):
            raise Tampered("a later revision of the PDF frees objects, or hides some in a stream")
        old, new = self.before.trailer_view, self.now.trailer_view
        if set(new) - _TRAILER or any(_bytes(old, name) != _bytes(new, name) for name in ("/Root", "/Info")):
            raise Tampered("a later revision of the PDF changes its trailer")

    def _same_but(self, old: Any, new: Any, free: set[str], what: str) -> None:
        changed = [n for n in {*old, *new} - free if _bytes(old, n) != _bytes(new, n)]
        if changed:
            raise Tampered(f"a later revision of the PDF changes its {what}", got=min(changed)[:40])

    def _fresh(self, dictionary: Any, name: str) -> Any:
        """An entry that refers to an object which first stands in this revision."""
        return self._first_here(_raw(dictionary, name))

    def _first_here(self, reference: Any) -> Any:
        from pyhanko.pdf_utils.generic import IndirectObject

        if not isinstance(reference, IndirectObject):
            raise Malformed("validation data or a time stamp does not stand in an object of its own")
        if self.xrefs.get_introducing_revision(reference.reference) != self.number:
            raise Tampered("a later revision of the PDF uses an object for something else")
        self.known.add(reference.reference)
        return self.now.get_object(reference.reference)

    def _kept(self, old: Any, new: Any, name: str) -> tuple[Any, Any]:
        """An entry before and after; if it is an object of its own, it is the same one."""
        from pyhanko.pdf_utils.generic import IndirectObject

        was, found = _raw(old, name), _raw(new, name)
        if isinstance(found, IndirectObject):
            if was is not None and _write(was) != _write(found):
                raise Tampered("a later revision of the PDF puts another object in a place", got=name)
            if was is None:
                return None, self._first_here(found)
            self.known.add(found.reference)
            return self.before.get_object(found.reference), self.now.get_object(found.reference)
        return was, found

    # -------------------------------------------------------------- validation data

    def _check_store(self, old: Any, new: Any) -> None:
        was, found = self._kept(old, new, "/DSS")
        if found is None and was is None:
            return
        if found is None or set(found) - _DSS or _get(found, "/Type") not in (None, "/DSS"):
            raise Tampered("validation data hold something else", expected="certificates and lists of revocations")
        for name, check in (("/Certs", _check_certificate), ("/CRLs", _check_list)):
            self._check_array(was or {}, found, name, check)

    def _check_array(self, old: Any, new: Any, name: str, check: Callable[[bytes], object]) -> None:
        was, found = self._kept(old, new, name)
        for item in self._grown(was, found):
            stream = self._first_here(item)
            if set(stream) - _STREAM or _get(stream, "/Filter") not in (None, "/FlateDecode"):
                raise Tampered("validation data are stored in another way", got=name)
            check(stream.data)

    def _grown(self, old: Any, new: Any) -> list[Any]:
        """What an array has at its end that it did not have before."""
        before, now = _items(old), _items(new)
        if [_write(item) for item in now[: len(before)]] != [_write(item) for item in before] or len(now) > _MOST:
            raise Tampered("a later revision of the PDF changes a list instead of adding to it")
        return now[len(before) :]

    # -------------------------------------------------------------- the time stamp

    def _check_form(self, old: Any, new: Any) -> None:
        was, found = self._kept(old, new, "/AcroForm")
        if was is None or found is None:
            raise Tampered("a later revision of the PDF adds or removes its form")
        self._same_but(was, found, {"/Fields"}, "form")
        fields = self._grown(*self._kept(was, found, "/Fields"))
        if len(fields) > 1:
            raise Tampered("a later revision of the PDF adds several fields")
        for item in fields:
            one = self._first_here(item)
            stamp = self._fresh(one, "/V")
            if set(one) != _FIELD or one["/FT"] != "/Sig" or [float(side) for side in one["/Rect"]] != [0.0] * 4:
                raise Tampered("a later revision of the PDF adds another field than a time stamp's")
            if set(stamp) != _STAMP or stamp["/Type"] != "/DocTimeStamp":
                raise Tampered("a later revision of the PDF adds another signature than a time stamp")


def _is_table(item: Any) -> bool:
    """A cross-reference table that is a stream stands in an object itself."""
    return hasattr(item, "data") and _get(item, "/Type") == "/XRef"


def _check_certificate(data: bytes) -> None:
    from cryptography import x509

    x509.load_der_x509_certificate(data)


def _check_list(data: bytes) -> None:
    from cryptography import x509

    x509.load_der_x509_crl(data)


def _data(store: Any, name: str) -> tuple[bytes, ...]:
    return tuple(bytes(item.get_object().data) for item in _items(_get(store, name)))


def _items(array: Any) -> list[Any]:
    return [] if array is None else [array.raw_get(i) for i in range(len(array))]


def _raw(dictionary: Any, name: str) -> Any:
    """An entry as it stands; None if there is none."""
    return dictionary.raw_get(name) if name in dictionary else None


def _get(dictionary: Any, name: str) -> Any:
    """An entry with references followed; None if there is none."""
    return None if dictionary is None or name not in dictionary else dictionary[name]


def _bytes(dictionary: Any, name: str) -> bytes | None:
    return _write(dictionary.raw_get(name)) if name in dictionary else None


def _write(item: Any) -> bytes:
    out = BytesIO()
    item.write_to_stream(out, None)
    return out.getvalue()
