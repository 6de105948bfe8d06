"""Facts about a signed PDF, strictly: one author signature over all that is read, in one spelling.

Known attacks on signed PDF hide content outside what the signature covers, or put something else where it is looked
for. So the file up to the end of the signature has to pass alone, and everything is read from there:

* there is exactly one signature, of the PAdES form, and it certifies the document with "no changes allowed" (DocMDP P
  = 1);
* its byte range is everything but the signature itself, and that gap holds one DER value, in hex of one case, and
  zeros;
* the file has the revision that was signed and, where the signer appended, the one before;
* the signature verifies over those bytes with the certificate inside, which the signed attributes name. Unsigned is
  only a time stamp over the signature's value, if there is one, and it holds.

What follows is nothing, or revisions that end with a document time stamp over all before it. They add certificates and
lists of revocations (DSS) and the time stamps themselves, checked object by object, and nothing else.

Whose certificate it is cannot be learnt from the file, nor whom to believe about the time: that is for whoever compares
it with the ledger and with authorities of their own. The parser is pyHanko, loaded on use; nothing is fetched. Whatever
it raises means that the file is no such PDF.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from io import BytesIO
from itertools import zip_longest
from types import MappingProxyType
from typing import Any, Final

from tallystick.canonical import digest
from tallystick.errors import Malformed, NotVerified, Tampered
from tallystick.proof import der, pdf_contents, pdf_objects, pdf_revisions, timestamp
from tallystick.proof.pdf_objects import Section
from tallystick.proof.timestamp import Token

__all__ = ["MAX_PDF", "MAX_STRANGER", "PdfFacts", "Stamp", "check_only_sealed", "inspect"]

MAX_PDF: Final = 64 << 20
"""Bytes."""
MAX_STRANGER: Final = 2 << 20
"""Bytes of a file that nobody vouches for: a hostile one takes the parser over a microsecond and 130 bytes for each."""
_MAX_DECODED: Final = 128 << 20
"""Bytes that all compressed streams of a file may become."""
_DIGESTS = frozenset({"sha256", "sha384", "sha512"})
_CURVES = frozenset({"secp256r1", "secp384r1", "secp521r1"})
_MAX_DEPTH = 4
_MAX_STAMPS = 16
_MIN_RSA = 2048
_NO_CHANGES = 1
_SILENT = logging.NullHandler()
"""Without a handler of its own the parser's warnings about hostile files would go to stderr."""


@dataclass(frozen=True)
class Stamp:
    """A time stamp in a file."""

    over: str
    """``signature``, or ``file``: all that stands before it."""
    token: Token


@dataclass(frozen=True)
class PdfFacts:
    """What a PDF says that passed :func:`inspect`."""

    sha256: str
    """Of the whole file."""
    size: int
    certificate_sha256: str
    """Of the signer's certificate in DER."""
    subject: str
    """Who the certificate says the signer is. Nobody vouches for it here."""
    attachments: Mapping[str, bytes] = field(repr=False)
    """Embedded files by name."""
    certificate: bytes = field(repr=False)
    """DER."""
    claimed_at: datetime
    """When the signer says that it signed."""
    others: tuple[bytes, ...] = field(repr=False)
    """Further certificates in the file, DER: what leads from the signer's to an authority, perhaps."""
    revocations: tuple[bytes, ...] = field(repr=False)
    """Lists of revoked certificates in the file, DER."""
    stamps: tuple[Stamp, ...]
    """In the order of the file. Each holds by itself; whether its authority is to be believed was not asked."""


def inspect(data: bytes) -> PdfFacts:
    """Check a signed PDF by itself.

    Raises:
        Malformed: not a PDF, or not signed in the one form that is accepted.
        Tampered: the signature does not cover the whole file, or does not verify.
    """
    if len(data) > MAX_PDF:
        raise Malformed("PDF is too large", expected=f"up to {MAX_PDF} bytes", got=f"{len(data)} bytes")
    try:
        return _facts(data)
    except NotVerified:
        raise
    except Exception as error:
        # The parser raises many kinds of error on hostile input, not all of them its own.
        raise Malformed("not a signed PDF that can be read", got=f"{type(error).__name__}: {error}"[:200]) from error


def _facts(data: bytes) -> PdfFacts:
    logging.getLogger("pyhanko").addHandler(_SILENT)
    sections = pdf_objects.read(data)
    pdf_contents.check(sections)
    whole = _reader(data)
    ends = _ends(data, whole)
    _check_parts(sections, whole, ends)
    signed = data[: ends[0]]
    reader = whole if len(signed) == len(data) else _reader(signed)
    signature = _only_signature(reader)
    _check_revisions(reader, signature)
    _check_certification(reader, signature)
    _check_coverage(signed, signature.byte_range, signature.pkcs7_content)
    certificate = _verify(signed, signature)
    stamps = [*_over_signature(signature), *_over_file(data, whole, ends)]
    added = pdf_revisions.added(whole, after=signature.signed_revision)
    return PdfFacts(
        sha256=digest(data),
        size=len(data),
        certificate_sha256=digest(certificate.dump()),
        subject=str(certificate.subject.human_friendly),
        attachments=MappingProxyType(_attachments(reader)),
        certificate=certificate.dump(),
        claimed_at=_claimed(signature),
        others=(*(item.dump() for item in signature.other_embedded_certs), *added.certificates),
        revocations=added.revocations,
        stamps=tuple(stamps),
    )


def _reader(data: bytes) -> Any:
    from pyhanko.pdf_utils.decode_limits import DecodeLimits, DocumentDecodeBudget
    from pyhanko.pdf_utils.reader import PdfFileReader

    budget = DecodeLimits(document_budget=DocumentDecodeBudget(base_allowance=_MAX_DECODED, max_ratio=0))
    return PdfFileReader(BytesIO(data), strict=True, decode_limits=budget)


def _check_parts(sections: Sequence[Section], reader: Any, ends: list[int]) -> None:
    """The parser reads the same tables, and a part that is read alone ends where one of them does."""
    read = [reader.xrefs.get_startxref_for_revision(at) for at in range(reader.xrefs.total_revisions)]
    if read != [section.start for section in sections]:
        raise Malformed("PDF has other tables for other readers")
    if not all(any(end in section.ends for section in sections) for end in ends):
        raise Tampered("signature does not end where a part of the PDF does")


def check_only_sealed(data: bytes, drawn: bytes) -> None:
    """Check that a file which passed :func:`inspect` is these drawn bytes with an invisible signature appended.

    Who appends a revision can put another page in the place of one that was drawn; so what was appended is gone
    through, object by object.

    Raises:
        Tampered: the file begins with other bytes, or what was appended is more than a signature that nobody sees.
    """
    if not data.startswith(drawn):
        raise Tampered("pages are not those that the evidence gives", where=_first_difference(data, drawn))
    try:
        changed = _changed_visibly(data, len(drawn))
    except Exception as error:  # as in `inspect`: the parser raises many kinds of error
        raise Tampered(
            "what was appended to the drawn file is more than a signature", got=f"{type(error).__name__}: {error}"[:120]
        ) from error
    if changed:
        raise Tampered("what was appended to the drawn file shows something", got=changed)


def _first_difference(data: bytes, drawn: bytes) -> str:
    """The first page that is another, for whoever looks it up; or only the byte, where the pages do not tell."""
    try:
        pages = zip_longest(_pages(_reader(data)), _pages(_reader(drawn)))
        number = next((number for number, (one, other) in enumerate(pages, 1) if one != other), None)
    except Exception:  # as in `inspect`: the file may be no PDF
        number = None
    if number is not None:
        return f"page {number}"
    return f"byte {next((i for i, pair in enumerate(zip(data, drawn, strict=False)) if pair[0] != pair[1]), len(data))}"


def _pages(reader: Any) -> Iterator[bytes]:
    """What is drawn on each page, uncompressed."""
    for number in range(int(reader.root["/Pages"]["/Count"])):
        page, _ = reader.find_page_for_modification(number)
        contents = page.get_object()["/Contents"]
        yield contents.data if hasattr(contents, "data") else b"".join(part.data for part in contents)


def _changed_visibly(data: bytes, drawn: int) -> str:
    """What an appended revision changes other than by a signature without an appearance; empty if nothing."""
    first, sealing, *_ = pdf_objects.read(data)
    if drawn not in first.ends:
        return "another file, which it claims to be built on"
    reader, before = _reader(data), _reader(data[:drawn])
    if reader.root_ref != before.root_ref or reader.trailer.raw_get("/Info") != before.trailer.raw_get("/Info"):
        return "another catalogue"
    fields = {signature.sig_field.container_ref for signature in reader.embedded_signatures}
    later = range(1, reader.xrefs.total_revisions)
    changed = {ref for revision in later for ref in reader.xrefs.explicit_refs_in_revision(revision)}
    for ref in before.xrefs.explicit_refs_in_revision(0):
        if (ref in changed or ref.idnum == 0) and not _same_but_signed(before, reader, ref, fields):
            return f"another object {ref.idnum}"
    strange = pdf_contents.beside_seal(first, sealing)
    return f"object {min(strange)}, which is no part of the seal" if strange else ""


_OF_SIGNATURES: Final = frozenset({"/AcroForm", "/DSS", "/Extensions", "/Perms"})
"""Keys of a catalogue that a signature sets; they put nothing on a page."""
_PADES: Final = b"<<\n/ESIC <<\n/Type /DeveloperExtensions\n/BaseVersion /1.7\n/ExtensionLevel 1\n>>\n>>"
"""The extension that our sealing registers."""


def _same_but_signed(before: Any, reader: Any, ref: Any, fields: set[Any]) -> bool:
    """Whether an object of the drawn file is still the same: the catalogue with a form, a page with the field."""
    from pyhanko.pdf_utils.generic import DictionaryObject

    old, new = before.get_object(ref), reader.get_object(ref)
    if not isinstance(old, DictionaryObject) or not isinstance(new, DictionaryObject):
        return _written(old) == _written(new)
    names = {name for name in {*old, *new} if _written(_raw(old, name)) != _written(_raw(new, name))}
    if ref == before.root_ref:
        return names <= _OF_SIGNATURES and ("/Extensions" not in names or _written(new["/Extensions"]) == _PADES)
    return names == {"/Annots"} and _raw(old, "/Type") == "/Page" and _only_fields(old, new, fields)


def _only_fields(old: Any, new: Any, fields: set[Any]) -> bool:
    had = [_raw_at(old["/Annots"], at) for at in range(len(old["/Annots"]))] if "/Annots" in old else []
    has = [_raw_at(new["/Annots"], at) for at in range(len(new["/Annots"]))]
    return has[: len(had)] == had and all(item.reference in fields for item in has[len(had) :])


def _raw(dictionary: Any, name: str) -> Any:
    return dictionary.raw_get(name) if name in dictionary else None


def _raw_at(array: Any, at: int) -> Any:
    return array.raw_get(at)


def _written(value: Any) -> bytes:
    """A value as PDF spells it."""
    if value is None:
        return b""
    stream = BytesIO()
    value.write_to_stream(stream, None)
    return stream.getvalue()


def _ends(data: bytes, reader: Any) -> list[int]:
    """Where the part ends that each signature covers: the author's first, the last one at the end of the file."""
    from pyhanko.sign.fields import enumerate_sig_fields

    if reader.encrypted or reader.xrefs.hybrid_xrefs_present:
        raise Malformed("PDF is encrypted or has two cross-reference tables")
    # The parser's list of signatures leaves out forms that it does not know; the list of filled fields does not.
    signatures, filled = reader.embedded_signatures, list(enumerate_sig_fields(reader, filled_status=True))
    authors = [item for item in signatures if item.sig_object_type == "/Sig"]
    if len(authors) != 1 or len(filled) != len(signatures) or signatures[0] is not authors[0]:
        raise Tampered("PDF does not have exactly one signature", got=str(max(len(authors), len(filled))))
    if len(signatures) > _MAX_STAMPS:
        raise Malformed("PDF has too many time stamps", expected=f"up to {_MAX_STAMPS - 1}", got=str(len(signatures)))
    ends = [_end(item.byte_range) for item in signatures]
    if ends != sorted(set(ends)) or not ends[0] > 0 or ends[-1] != len(data):
        raise Tampered(
            "signature does not cover the whole file, nor does a time stamp", got=f"{ends[-1]} of {len(data)} bytes"
        )
    return ends


def _end(byte_range: Any) -> int:
    numbers = [int(item) for item in byte_range]
    if len(numbers) != 4:
        raise Tampered("signature covers other ranges of the file than two")
    return numbers[2] + numbers[3]


def _claimed(signature: Any) -> datetime:
    moment = signature.self_reported_timestamp
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise Malformed("signature names no time, or one without a zone")
    return moment


def _over_signature(signature: Any) -> Iterator[Stamp]:
    """The time stamp among the unsigned attributes: over this signature's value."""
    for attribute in _unsigned(signature.signer_info):
        token = timestamp.read(attribute["values"][0].dump())
        token.check_over(signature.signer_info["signature"].native)
        yield Stamp("signature", token)


def _over_file(data: bytes, reader: Any, ends: list[int]) -> Iterator[Stamp]:
    """The document time stamps, each over everything before it and its own revision."""
    for stamp, end in zip(reader.embedded_signatures[1:], ends[1:], strict=True):
        form = _get(stamp.sig_object, "/SubFilter", None)
        if stamp.sig_object_type != "/DocTimeStamp" or form != "/ETSI.RFC3161":
            raise Malformed("PDF was changed after it was signed", expected="a document time stamp", got=str(form)[:60])
        covered = data[:end]
        if _reader(covered).xrefs.total_revisions != stamp.signed_revision + 1:
            raise Tampered("time stamp does not cover its revision")
        _check_coverage(covered, stamp.byte_range, stamp.pkcs7_content)
        _, length, after, _ = (int(item) for item in stamp.byte_range)
        token = timestamp.read(stamp.pkcs7_content[: der.length(stamp.pkcs7_content)])
        token.check_over(covered[:length] + covered[after:])
        yield Stamp("file", token)


def _only_signature(reader: Any) -> Any:
    from pyhanko.sign.fields import enumerate_sig_fields

    signatures, fields = reader.embedded_signatures, list(enumerate_sig_fields(reader))
    if len(signatures) != 1 or len(fields) != 1:
        raise Tampered("PDF does not have exactly one signature", got=str(max(len(signatures), len(fields))))
    signature = signatures[0]
    form = _get(signature.sig_object, "/SubFilter", None)
    if signature.sig_object_type != "/Sig" or form != "/ETSI.CAdES.detached":
        raise Malformed("signature is not of the PAdES form", expected="/ETSI.CAdES.detached", got=str(form)[:60])
    return signature


def _check_revisions(reader: Any, signature: Any) -> None:
    """Signing appends a revision to a finished file, or writes file and signature at once."""
    total = reader.xrefs.total_revisions
    if signature.signed_revision != total - 1 or total > 2:
        raise Tampered(
            "PDF was changed after it was signed, or before",
            expected="1 or 2 revisions, the last one signed",
            got=str(total),
        )


def _check_certification(reader: Any, signature: Any) -> None:
    from pyhanko.sign.validation.pdf_embedded import read_certification_data

    certification = read_certification_data(reader)
    if certification is None or certification.author_sig.container_ref != signature.sig_object.container_ref:
        raise Tampered("signature does not certify the document", expected="an author signature")
    if certification.permission is None or certification.permission.value != _NO_CHANGES:
        raise Tampered("certification allows changes", expected="DocMDP P = 1")


def _check_coverage(data: bytes, byte_range: Any, contents: bytes) -> None:
    """The signature covers every byte but its own, and its own have one spelling."""
    numbers = [int(item) for item in byte_range]
    if len(numbers) != 4:
        raise Tampered("signature covers other ranges of the file than two")
    start, length, after, rest = numbers
    if start != 0 or not 0 < length < after < len(data) or after + rest != len(data):
        raise Tampered("signature does not cover the whole file", got=f"byte range {numbers}")
    gap = data[length:after]
    if gap not in (f"<{contents.hex()}>".encode(), f"<{contents.hex().upper()}>".encode()):
        raise Tampered("signature is not alone in the gap of its byte range")
    if contents[der.length(contents) :].strip(b"\0"):
        raise Tampered("something else than zeros stands behind the signature")


# ------------------------------------------------------------------ the signature itself (CMS, RFC 5652)


def _verify(data: bytes, signature: Any) -> Any:
    """The certificate with which the signature verifies over its byte range."""
    from pyhanko.sign.validation.generic_cms import get_signing_cert_attr, validate_sig_integrity

    _check_cms(signature)
    certificate, info = signature.signer_cert, signature.signer_info
    _check_key(certificate)
    _check_names_certificate(info, certificate)
    if get_signing_cert_attr(info["signed_attrs"]) is None:
        raise Malformed("signature does not sign the digest of its certificate")
    _, length, after, _ = (int(item) for item in signature.byte_range)
    covered = hashlib.new(signature.md_algorithm, data[:length] + data[after:]).digest()
    intact, valid = validate_sig_integrity(info, certificate, expected_content_type="data", actual_digest=covered)
    if not intact:
        raise Tampered("PDF is not the one that was signed")
    if not valid:
        raise Tampered("signature of the PDF fails")
    return certificate


def _check_cms(signature: Any) -> None:
    """Nothing in the signature that is neither signed nor looked at here, certificates of a chain apart."""
    signed, info = signature.signed_data, signature.signer_info
    algorithms = [*signed["digest_algorithms"], info["digest_algorithm"]]
    if signature.md_algorithm not in _DIGESTS or [_digest(item) for item in algorithms] != [signature.md_algorithm] * 2:
        raise Malformed("signature uses another digest", expected=" or ".join(sorted(_DIGESTS)))
    content = signed["encap_content_info"]
    if (content["content_type"].native, content["content"].native) != ("data", None):
        raise Malformed("signature carries content of its own")
    if [signed["version"].native, *(item["version"].native for item in signed["signer_infos"])] != ["v1", "v1"]:
        raise Malformed("signature has several signers, or another version")
    if signed["crls"].native is not None or [_kind(item) for item in _unsigned(info)] not in ([], [_TIME_STAMP]):
        raise Malformed("signature carries what it does not sign", expected="nothing, or one time stamp")
    if not info["signed_attrs"].native:
        raise Malformed("signature has no signed attributes")


def _unsigned(info: Any) -> list[Any]:
    return [] if info["unsigned_attrs"].native is None else list(info["unsigned_attrs"])


def _kind(attribute: Any) -> tuple[str, int]:
    """What an attribute is, and of how many values."""
    return attribute["type"].native, len(attribute["values"])


_TIME_STAMP: Final = ("signature_time_stamp_token", 1)


def _digest(algorithm: Any) -> str | None:
    """Its name; None where it carries parameters (RFC 5754, section 2: none, or NULL)."""
    parameters = algorithm["parameters"].dump()
    return str(algorithm["algorithm"].native) if parameters in (b"", b"\x05\x00") else None


def _check_names_certificate(info: Any, certificate: Any) -> None:
    """By issuer and serial number, the issuer in the same bytes: names compare without case elsewhere."""
    named = info["sid"].chosen
    if info["sid"].name != "issuer_and_serial_number":
        raise Malformed("signature names its certificate in another way", expected="issuer and serial number")
    if (
        named["issuer"].dump() != certificate.issuer.dump()
        or named["serial_number"].native != certificate.serial_number
    ):
        raise Tampered("signature names another certificate")


def _check_key(certificate: Any) -> None:
    public = certificate.public_key
    if public.algorithm == "ec":
        good = public.curve == ("named", public.curve[1]) and public.curve[1] in _CURVES
    else:
        good = public.algorithm == "rsa" and public.bit_size >= _MIN_RSA
    if not good:
        raise Malformed(
            "signer's key is too weak or not used", expected="P-256 or RSA with 2048 bits", got=public.algorithm
        )


# ------------------------------------------------------------------ embedded files


def _attachments(reader: Any) -> dict[str, bytes]:
    """The files by name; ``pdf_contents`` has seen that there is one at most, and that it has one content."""
    tree = _get(_get(reader.root, "/Names", {}), "/EmbeddedFiles", {})
    found: dict[str, bytes] = {}
    for specification in _leaves(tree, 0):
        names = {str(specification[name]) for name in ("/F", "/UF") if name in specification}
        if len(names) != 1 or names & found.keys():
            raise Malformed("attachment stands twice in the PDF, or under two names", got=min(names, default="")[:80])
        found[names.pop()] = bytes(specification["/EF"]["/F"].data)
    return found


def _leaves(node: Any, depth: int) -> Iterator[Any]:
    """The values of a PDF name tree, in which no part stands twice."""
    if depth > _MAX_DEPTH:
        raise Malformed("list of attachments is nested too deeply")
    pairs, kids = _get(node, "/Names", []), _get(node, "/Kids", [])
    for position in range(1, len(pairs), 2):
        yield pairs[position]
    for position in range(len(kids)):
        yield from _leaves(kids[position], depth + 1)


def _get(dictionary: Any, name: str, default: Any) -> Any:
    """An entry with indirect references followed, which the parser's own ``get`` does not do."""
    return dictionary[name] if name in dictionary else default  # noqa: SIM401
