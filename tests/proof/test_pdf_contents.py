"""What a report may hold: files that would keep a reader busy, that act, or that hold another evidence than is read."""

from __future__ import annotations

import zlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tallystick.errors import Malformed, NotVerified, Tampered
from tallystick.proof import pdf, pdf_contents, pdf_objects

PAGE = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 200] /Resources << >> >>"
EVIDENCE = b'{"evidence":true}'


def built(objects, *, catalogue=b"", page=b"", trailer=b"") -> bytes:
    """A file of one page and these objects, from object 4 on."""
    first = [
        b"<< /Type /Catalog /Pages 2 0 R %s >>" % catalogue,
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        PAGE[:-2] + page + b" >>",
    ]
    data, places = b"%PDF-1.7\n", []
    for number, item in enumerate([*first, *objects, b"<< /Producer (x) >>"], 1):
        places.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, item)
    lines = b"0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % place for place in places)
    said = b"/Size %d /Root 1 0 R /Info %d 0 R %s" % (len(places) + 1, len(places), trailer)
    tail = b"xref\n0 %d\n%strailer\n<< %s >>\nstartxref\n%d\n%%%%EOF\n"
    return data + tail % (len(places) + 1, lines, said, len(data))


def compressed(number: int, inside: bytes, *, widths=b"1 4 2", index=None, table=None, first=None) -> bytes:
    """A file whose objects from 10 on stand in an object stream."""
    import struct

    head = b"".join(b"%d %d " % (at + 10, at * len(inside)) for at in range(number))
    packed = zlib.compress(head + inside * number)
    data, places = b"%PDF-1.7\n", []
    for at, item in enumerate(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [] /Count 0 >>",
            b"<< /Type /ObjStm /N %d /First %d /Filter /FlateDecode /Length %d >>\nstream\n%s\nendstream"
            % (number, first or len(head), len(packed), packed),
        ],
        1,
    ):
        places.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (at, item)
    rows = [struct.pack(">BIH", 1, place, 0) for place in (*places, len(data))]
    rows += [struct.pack(">BIH", 2, 3, at) for at in range(number)]
    lines = b"".join(rows) if table is None else table
    index = b"1 4 10 %d" % number if index is None else index
    said = b"/Type /XRef /W [%s] /Index [%s] /Size %d /Root 1 0 R /Length %d"
    table = said % (widths, index, number + 10, len(lines))
    return data + b"4 0 obj\n<< %s >>\nstream\n%s\nendstream\nendobj\nstartxref\n%d\n%%%%EOF\n" % (
        table, lines, len(data),
    )  # fmt: skip


def sealed(data: bytes) -> bytes:
    """By a key of nobody, as an outsider can."""
    from datetime import UTC, datetime, timedelta

    from tallystick.report import seal

    now = datetime.now(UTC).replace(microsecond=0)
    key = ec.derive_private_key(0x0DD, ec.SECP256R1())
    certificate = seal.self_signed(
        key, common_name="x", not_before=now - timedelta(days=1), not_after=now + timedelta(days=1), serial=3
    )
    return seal.seal(data, private_key=key, certificate=certificate, moment=now)


def filespec(*, held=b"/F 5 0 R", names=b"/F (evidence.json) /UF (evidence.json)", more=b"") -> list[bytes]:
    stream = b"<< /Type /EmbeddedFile /Length %d >>\nstream\n%s\nendstream"
    other = b'{"evidence":1234}'
    return [
        b"<< /Type /Filespec %s /EF << %s >> %s >>" % (names, held, more),
        *(stream % (len(content), content) for content in (EVIDENCE, other)),
    ]


NAMED = b"/Names << /EmbeddedFiles << /Names [(evidence.json) 4 0 R] >> >>"


def test_a_file_with_one_attachment_is_taken():
    assert pdf.inspect(sealed(built(filespec(), catalogue=NAMED))).attachments == {"evidence.json": EVIDENCE}
    same = filespec(held=b"/F 5 0 R /UF 5 0 R")
    assert pdf.inspect(sealed(built(same, catalogue=NAMED))).attachments == {"evidence.json": EVIDENCE}


# ------------------------------------------------------------------ small files that take long


def ways(depth: int, width: int, last: bytes, key: bytes = b"") -> list[bytes]:
    """A tree in which each level stands several times in the one above: a walk takes width to the depth steps."""
    parts = [b" ".join([b"%d 0 R" % (5 + at)] * width) for at in range(depth)]
    return [*(b"<< %s /Kids [%s] >>" % (key, part) for part in parts), last]


def chain(number: int) -> bytes:
    """A revision of nothing, many times."""
    data = built([])
    before = data.rindex(b"xref\n0")
    for _ in range(number):
        tail = b"xref\n0 0\ntrailer\n<< /Size 4 /Root 1 0 R /Prev %d >>\nstartxref\n%d\n%%%%EOF\n"
        before, data = len(data), data + tail % (before, len(data))
    return data


BUSY = {
    "form with 2^30 ways": lambda: built(
        ways(30, 2, b"<< /FT /Tx /T (x) >>", b"/T (a)"), catalogue=b"/AcroForm << /Fields [4 0 R] /SigFlags 3 >>"
    ),
    "names with 8^12 ways": lambda: sealed(
        built(ways(12, 8, b"<< /Names [] >>"), catalogue=b"/Names << /EmbeddedFiles 4 0 R >>")
    ),
    "names with 8^12 ways, lists apart": lambda: built(
        [b"<< /Kids 5 0 R >>", b"[4 0 R 4 0 R]"], catalogue=b"/Names << /EmbeddedFiles 4 0 R >>"
    ),
    "pages with 2^30 ways": lambda: built(ways(30, 2, PAGE), catalogue=b"/Outlines 4 0 R"),
    "table of a billion entries of no width": lambda: compressed(1, b"[]", widths=b"0 0 0", index=b"0 1000000000"),
    "table of many runs": lambda: compressed(1, b"[]", widths=b"0 1 0", index=b"0 400000 " * 5000),
    "table that is shorter than it says": lambda: built([]).replace(b"xref\n0 5", b"xref\n0 99999999"),
    "revisions": lambda: chain(3000),
    "table that names itself": lambda: built([], trailer=b"/Prev 245"),
    "arrays in arrays": lambda: built([b"[" * 100_000 + b"]" * 100_000]),
    "dictionaries in dictionaries": lambda: built([b"<</A" * 50_000 + b">>" * 50_000]),
    "parentheses": lambda: built([b"(" * 200_000]),
    "objects in the strings of objects": lambda: built([b"(%d 0 obj " % (5 + at) for at in range(5000)]),
    "objects of a stream over each other": lambda: compressed(3, b"[1").replace(b"/First 15", b"/First 0 "),
    "too many objects in a stream": lambda: compressed(9, b"[] ", index=b"1 4 10 8"),
    "a head of an object stream without end": lambda: compressed(2, b"1 " * 9_000_000, first=17_000_000),
    "a bomb of an object stream": lambda: compressed(2, b"(" + b"a" * (40 << 20) + b")"),
    "a table that is no table": lambda: compressed(1, b"[]", table=b""),
}  # fmt: skip


@pytest.mark.parametrize("flaw", BUSY)
def test_a_small_file_that_would_keep_a_reader_busy_is_refused_before_the_parser_sees_it(flaw):
    """Each takes the parser, or a walk that follows every reference, minutes or for ever."""
    data = BUSY[flaw]()
    with pytest.raises(NotVerified):
        pdf_contents.check(pdf_objects.read(data))
    with pytest.raises(NotVerified):
        pdf.inspect(data)


def test_what_many_objects_name_is_looked_at_once():
    """Else these two files take a minute."""
    lists = [b"[" + b"<<>> " * 20_000 + b"]", *[b"<< /A 4 0 R >>"] * 20_000]
    lengths = [b"%" + b"a" * 500_000 + b"\n0", *[b"<< /Length 4 0 R >>\nstream\n\nendstream"] * 10_000]
    for objects in (lists, lengths):
        pdf_contents.check(pdf_objects.read(built(objects)))


def test_what_is_named_twice_or_nested_is_told():
    for text in (b"<< /A 1 /A 2 >>", b"<< /A >>", b"<< 1 2 >>", b"[ >>", b"<< ]", b"1 1 R", b"truely", b"(", b"<0g>"):
        with pytest.raises(Malformed):
            pdf_objects.read(built([text]))


def test_every_kind_of_value_is_read():
    text = rb"[ 1 -2 .5 +3. true false null /A#42 (a\)(b)) <0aF> << /K 1 0 R >> % a comment" + b"\n ]"
    (section,) = pdf_objects.read(built([text]))
    expected = [1, -2, 0.5, 3.0, True, False, None, "/AB", rb"(a\)(b))", b"<0aF>", {"/K": pdf_objects.Ref(1)}]
    assert section.objects[4] == expected


def test_objects_in_a_stream_are_read():
    (section,) = pdf_objects.read(compressed(3, b"<< /K [1 0 R] >> "))
    assert [section.objects[number] for number in (10, 11, 12)] == [{"/K": [pdf_objects.Ref(1)]}] * 3


# ------------------------------------------------------------------ two evidences, and what acts

SCRIPT = b"<< /S /JavaScript /JS (app.alert\\('APPROVED'\\)) >>"
FORM = b"/AcroForm << /Fields [7 0 R] /SigFlags 3 %s >>"
FIELD = b"<< /FT /Sig /T (x) /Type /Annot /Subtype /Widget /F 132 /Rect [%s] %s >>"
WRONG = {
    "two contents by key": (filespec(held=b"/F 5 0 R /UF 6 0 R"), b"", b""),
    "another content for another system": (filespec(held=b"/F 5 0 R /Unix 6 0 R"), b"", b""),
    "another content alone": (filespec(held=b"/UF 6 0 R"), b"", b""),
    "two names": (filespec(names=b"/F (other.json) /UF (evidence.json)"), b"", b""),
    "related files": (filespec(more=b"/RF << /F [(evidence.json) 6 0 R] >>"), b"", b""),
    "a second description": ([*filespec(), *filespec(held=b"/F 6 0 R")[:1]], b"", b""),
    "content in another file": (
        [*filespec()[:1], EVIDENCE.join([b"<< /F (x) /Length 17 >>\nstream\n", b"\nendstream"])], b"", b"",
    ),
    "a file on the page": (
        filespec(), b"",
        b"/Annots [<< /Type /Annot /Subtype /FileAttachment /Rect [0 0 9 9] "
        b"/FS << /Type /Filespec /F (evidence.json) /EF << /F 6 0 R >> >> >>]",
    ),
    "a note on the page": (filespec(), b"", b"/Annots [<< /Type /Annot /Subtype /FreeText /Rect [0 0 9 9] >>]"),
    "a link out": (
        filespec(), b"", b"/Annots [<< /Subtype /Link /Rect [0 0 9 9] /A << /S /URI /URI (https://x) >> >>]",
    ),
    "a script on opening": (filespec(), b"/OpenAction " + SCRIPT, b""),
    "a script of the catalogue": (filespec(), b"/AA << /WC %s >>" % SCRIPT, b""),
    "a script of the page": (filespec(), b"", b"/AA << /O %s >>" % SCRIPT),
    "a script under an escaped name": (filespec(), b"", b"/A#41 << /O %s >>" % SCRIPT),
    "layers": (filespec(), b"/OCProperties << >>", b""),
    "another form": (filespec(), b"/AcroForm << /Fields [] /SigFlags 3 /XFA 5 0 R >>", b""),
    "appearances to be made": (filespec(), b"/AcroForm << /Fields [] /NeedAppearances true >>", b""),
    "a text field": ([*filespec(), b"<< /FT /Tx /T (x) /V (0.99) >>"], FORM % b"", b""),
    "an order of calculation": ([*filespec(), FIELD % (b"0 0 0 0", b"")], FORM % b"/CO [7 0 R]", b""),
    "a field with a script": ([*filespec(), FIELD % (b"0 0 0 0", b"/AA << /PO %s >>" % SCRIPT)], FORM % b"", b""),
    "a field with an action": ([*filespec(), FIELD % (b"0 0 0 0", b"/A << /S /URI >>")], FORM % b"", b""),
    "a field of no width": ([*filespec(), FIELD % (b"10 10 10 400", b"")], FORM % b"", b""),
    "a second field": ([*filespec(), FIELD % (b"0 0 0 0", b"")], FORM % b"", b""),
}  # fmt: skip


@pytest.mark.parametrize("flaw", WRONG)
def test_a_file_that_acts_or_holds_another_evidence_is_refused_though_it_is_sealed(flaw):
    objects, catalogue, page = WRONG[flaw]
    data = sealed(built(objects, catalogue=NAMED + catalogue, page=page))
    with pytest.raises(NotVerified) as refusal:
        pdf.inspect(data)
    assert "cannot be read" not in str(refusal.value), "refused by a rule, not by accident"


@pytest.mark.parametrize("flaw", ["actions in attributes", "attributes"])
def test_an_action_is_told_from_an_attribute_of_the_structure(flaw):
    attribute = b"<< /O /Table /Scope /Row >>" if flaw == "attributes" else b"<< /S /Launch /F (x) >>"
    data = sealed(built([*filespec(), b"<< /Type /StructElem /S /TH /A [%s] >>" % attribute], catalogue=NAMED))
    if flaw == "attributes":
        assert pdf.inspect(data)
    else:
        with pytest.raises(Tampered, match="Launch"):
            pdf.inspect(data)


# ------------------------------------------------------------------ what is appended with the seal


def with_seal(data: bytes, change) -> bytes:
    """Sealed with something else in the same revision."""
    from tallystick.report import seal

    true, made = seal._writer, []

    def writer(pdf):
        made.append(true(pdf))
        change(made[-1])
        return made[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seal, "_writer", writer)
        return sealed(data)


def test_an_object_more_in_the_revision_of_the_seal_is_told():
    from pyhanko.pdf_utils import generic

    drawn = built(filespec(), catalogue=NAMED)
    pdf.check_only_sealed(sealed(drawn), drawn)
    more = with_seal(drawn, lambda writer: writer.add_object(generic.DictionaryObject()))
    assert pdf.inspect(more)
    with pytest.raises(Tampered, match="no part of the seal"):
        pdf.check_only_sealed(more, drawn)


def test_another_entry_of_the_catalogue_is_told():
    from pyhanko.pdf_utils import generic

    def change(writer):
        writer.root["/PageMode"] = generic.NameObject("/FullScreen")
        writer.update_root()

    drawn = built(filespec(), catalogue=NAMED)
    with pytest.raises(Tampered, match="another object 1"):
        pdf.check_only_sealed(with_seal(drawn, change), drawn)
