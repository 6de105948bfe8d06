"""What the objects of a report may say: pages, one attached file, and a form that holds signatures and nothing else.

The evidence in a report is what counts, so that every reader has to find the same one; and nothing in it acts, or shows
something that was not drawn. What a report may hold is named here, from the dictionaries that our drawing and sealing
write; whatever else a viewer could act upon refuses the file: scripts, actions, forms of any other kind, annotations
but links inside the file, further files, data kept elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from tallystick.errors import Malformed, Tampered
from tallystick.proof.pdf_objects import Ref, Section, Stream

__all__ = ["beside_seal", "check"]

_ATTACHED: Final = frozenset({"/Type", "/F", "/UF", "/EF", "/Desc", "/AFRelationship"})
_EMBEDDED: Final = frozenset({"/Type", "/Subtype", "/Params", "/Filter", "/Length"})
_FLATE: Final = "/FlateDecode"
_CATALOGUE: Final = frozenset(
    {
        "/AF", "/AcroForm", "/DSS", "/Extensions", "/Lang", "/MarkInfo", "/Metadata", "/Names", "/Outlines",
        "/OutputIntents", "/PageLabels", "/PageLayout", "/PageMode", "/Pages", "/Perms", "/StructTreeRoot", "/Type",
        "/Version", "/ViewerPreferences",
    }
)  # fmt: skip
_NAMES: Final = frozenset({"/EmbeddedFiles", "/Dests"})
_FORM: Final = frozenset({"/Fields", "/SigFlags"})
_FIELD: Final = frozenset({"/FT", "/T", "/TU", "/V", "/Type", "/Subtype", "/F", "/P", "/Rect"})
_SIGNATURE: Final = frozenset(
    {
        "/Type", "/Filter", "/SubFilter", "/ByteRange", "/Contents", "/M", "/Name", "/Location", "/Reason",
        "/Reference",
    }
)  # fmt: skip
_LINK: Final = frozenset(
    {"/Type", "/Subtype", "/Rect", "/BS", "/Border", "/Contents", "/Dest", "/StructParent", "/F", "/P"}
)
_ACTING: Final = frozenset(
    {
        "/AA", "/Collection", "/JS", "/JavaScript", "/NeedAppearances", "/OCProperties", "/OPI", "/OpenAction", "/PA",
        "/RichMediaContent", "/URI", "/XFA",
    }
)  # fmt: skip
"""Keys of whatever a viewer runs, asks for or shows instead, wherever they stand."""
_ELSEWHERE: Final = frozenset({"/F", "/FFilter", "/FDecodeParms"})
"""Keys of a stream whose bytes stand in another file."""
_MAX_FIELDS: Final = 40


def check(sections: Sequence[Section]) -> None:
    """Check the objects of a file, those of every revision.

    Raises:
        Tampered: something in it is not part of a report.
    """
    now: dict[int, Any] = {}
    fields: set[Ref] = set()
    for section in sections:
        now |= section.objects
        fields |= _check_catalogue(section.trailer, now)
    kids: dict[int, list[Ref]] = {}
    files, once = 0, _Once(now)
    for section in sections:
        for number, value in section.objects.items():
            kids.pop(number, None)
            for item in _dictionaries(value):
                _check_acts(item, once)
                _check_annotations(item, once, fields)
                files += _is_file(item, now)
                if "/Kids" in item:
                    kids[number] = [*kids.get(number, ()), *_kids(item)]
        _check_once(kid for own in kids.values() for kid in own)
    if files > 1:
        raise Tampered("PDF holds several files, and readers may find another one", got=f"{files} of them")


def beside_seal(drawn: Section, sealing: Section) -> set[int]:
    """The objects that the revision with the seal defines or takes away beside those of the seal and of the drawn file.

    Args:
        drawn, sealing: the first two sections of a file that passed :func:`check`.
    """
    now = dict(drawn.objects) | dict(sealing.objects)
    known = {number for number, item in sealing.objects.items() if isinstance(item, Stream) and _is_table(item)}
    root = _of(sealing.trailer.get("/Root"), now)
    form = _of(root.get("/AcroForm", {}), now)
    fields = _list(form.get("/Fields", []), now, "list of fields")
    pages = [item for number, item in sealing.objects.items() if number in drawn.objects and isinstance(item, dict)]
    signatures = [_of(field, now).get("/V") for field in fields]
    lists = [page.get("/Annots") for page in pages]
    parts = [root.get("/AcroForm"), form.get("/Fields"), *fields, *signatures, *lists]
    known |= {part.number for part in parts if isinstance(part, Ref)}
    return (sealing.objects.keys() - known - drawn.objects.keys()) | sealing.freed


def _is_table(item: Stream) -> bool:
    return item.get("/Type") == "/XRef"


def _dictionaries(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every dictionary in a value; none of what it refers to."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            yield item
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item


def _of(value: Any, now: Mapping[int, Any]) -> Any:
    """What a reference leads to; it is never another reference."""
    found = now.get(value.number) if isinstance(value, Ref) else value
    if isinstance(found, Ref):
        raise Malformed("reference of the PDF leads to a reference", where=f"object {value.number}")
    return found


class _Once:
    """What entries lead to, each object once: many entries may name one long list."""

    def __init__(self, now: Mapping[int, Any]) -> None:
        self.now = now
        self._seen: set[tuple[str, Ref]] = set()

    def items(self, dictionary: Mapping[str, Any], key: str) -> list[Any]:
        """The items of a list, or the one thing that is no list; none if they were given out before."""
        value = dictionary.get(key, [])
        if isinstance(value, Ref):
            if (key, value) in self._seen:
                return []
            self._seen.add((key, value))
        found = _of(value, self.now)
        return found if isinstance(found, list) else [found]


def _dictionary(value: Any, now: Mapping[int, Any], allowed: frozenset[str], what: str) -> Mapping[str, Any]:
    found = _of(value, now)
    if not isinstance(found, dict) or isinstance(found, Stream):
        raise Malformed(f"{what} of the PDF is no dictionary")
    if found.keys() - allowed:
        raise Tampered(f"{what} of the PDF holds what no report has", got=min(found.keys() - allowed)[:40])
    return found


def _list(value: Any, now: Mapping[int, Any], what: str) -> list[Any]:
    found = _of(value, now)
    if not isinstance(found, list):
        raise Malformed(f"{what} of the PDF is no list")
    return found


def _check_catalogue(trailer: Mapping[str, Any], now: Mapping[int, Any]) -> set[Ref]:
    """The fields of the form, if there is one."""
    root = _dictionary(trailer.get("/Root"), now, _CATALOGUE, "catalogue")
    _dictionary(root.get("/Names", {}), now, _NAMES, "list of names")
    _dictionary(root.get("/Perms", {}), now, frozenset({"/DocMDP"}), "list of permissions")
    return _check_form(root["/AcroForm"], now) if "/AcroForm" in root else set()


def _check_form(form: Any, now: Mapping[int, Any]) -> set[Ref]:
    fields = _list(_dictionary(form, now, _FORM, "form").get("/Fields"), now, "list of fields")
    if len(fields) > _MAX_FIELDS or len(set(map(repr, fields))) != len(fields):
        raise Tampered("form of the PDF names a field twice, or too many")
    for field in fields:
        found = _dictionary(field, now, _FIELD, "field")
        if not isinstance(field, Ref) or found.get("/FT") != "/Sig" or found.get("/Subtype") != "/Widget":
            raise Tampered("form of the PDF has another field than a signature's")
        if found.get("/Rect") != [0, 0, 0, 0]:
            raise Tampered("signature of the PDF has a place on the page")
        if "/V" in found:
            _dictionary(found["/V"], now, _SIGNATURE, "signature")
    return set(fields)


def _check_acts(item: Mapping[str, Any], once: _Once) -> None:
    acting = item.keys() & _ACTING
    if acting or (isinstance(item, Stream) and item.keys() & _ELSEWHERE):
        raise Tampered("PDF holds something that acts, or that stands elsewhere", got=min(acting, default="/F"))
    # Structure has attributes under the same key, which are of no type of action (/S).
    for attribute in once.items(item, "/A"):
        found = _of(attribute, once.now)
        if isinstance(found, dict) and "/S" in found:
            raise Tampered("PDF holds an action", got=str(found["/S"])[:40])


def _check_annotations(item: Mapping[str, Any], once: _Once, fields: set[Ref]) -> None:
    for annotation in once.items(item, "/Annots"):
        if isinstance(annotation, Ref) and annotation in fields:
            continue
        found = _dictionary(annotation, once.now, _LINK, "annotation")
        if found.get("/Subtype") != "/Link":
            raise Tampered("PDF has an annotation that is no link", got=str(found.get("/Subtype"))[:40])


def _kids(item: Mapping[str, Any]) -> list[Ref]:
    kids = item["/Kids"]
    if not isinstance(kids, list) or not all(isinstance(kid, Ref) for kid in kids):
        raise Malformed("part of a tree of the PDF does not list its own parts")
    return kids


def _check_once(kids: Iterable[Ref]) -> None:
    """In trees of pages, names and fields each part stands once: else a walk has as many steps as there are ways."""
    known: set[Ref] = set()
    for kid in kids:
        if kid in known:
            raise Tampered("part of a tree of the PDF stands in it twice", got=f"object {kid.number}")
        known.add(kid)


def _is_file(item: Mapping[str, Any], now: Mapping[int, Any]) -> bool:
    found = "/EF" in item or item.get("/Type") == "/Filespec"
    if found:
        _check_file(item, now)
    return found


def _check_file(item: Mapping[str, Any], now: Mapping[int, Any]) -> None:
    """One content, which every reader takes for the same; that its names are one is asked where they are read."""
    held, names = item.get("/EF"), [item[name] for name in ("/F", "/UF") if name in item]
    if item.keys() - _ATTACHED or not names or not isinstance(held, dict) or not held.keys() <= {"/F", "/UF"}:
        raise Tampered("attached file of the PDF is described in another way than a report's")
    if not isinstance(held.get("/F"), Ref) or held.get("/UF", held["/F"]) != held["/F"]:
        raise Tampered("attached file of the PDF has two contents")
    stream = _of(held["/F"], now)
    if not isinstance(stream, Stream) or stream.keys() - _EMBEDDED or stream.get("/Filter") not in (None, _FLATE):
        raise Tampered("attached file of the PDF is stored in another way", expected="FlateDecode")
