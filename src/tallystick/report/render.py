"""Draw a view: one HTML file, or a PDF/A-3a that carries its evidence.

Everything is drawn from memory: templates are ours, texts are escaped, and the fetcher that WeasyPrint is given refuses
every address. The same view gives the same bytes, on any day and in any process, as long as WeasyPrint, Pango and the
fonts are the same: identifier and times are handed in.
"""

from __future__ import annotations

import gc
import hashlib
import logging
import os
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tallystick.canonical import Value, digest, time_text
from tallystick.errors import InvalidInput, MissingProgram
from tallystick.report import words
from tallystick.report.view import View
from tallystick.resources import shipped

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["EVIDENCE_NAME", "PDF_VARIANT", "drawing", "html", "pdf", "printed", "template_digest"]

PDF_VARIANT: Final = "pdf/a-3a"
EVIDENCE_NAME: Final = "evidence.json"
_FOLDER: Final = "report"
_FONTS: Final = "fonts-dejavu-core"
_PANGO: Final = f"libpangoft2-1.0-0 libharfbuzz-subset0 {_FONTS}"
_EPOCH: Final = "SOURCE_DATE_EPOCH"
_ONE_AT_A_TIME = threading.Lock()
"""WeasyPrint's subsetter reads the environment, and its warnings come by one logger."""


def html(view: View, *, templates: Path | None = None) -> str:
    """The report as one HTML file: styles inline, no script, nothing to fetch."""
    return _page(view, _folder(templates), made_at=view.as_of)


def _page(view: View, folder: Path, *, made_at: str) -> str:
    from markupsafe import Markup

    css = Markup((folder / "audit.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file, no record in it
    head = words.shortened(f"{view.name}, version {view.version}", 90)
    template = _environment(folder).get_template("audit.html.j2")
    return template.render(view=view, css=css, head=head, made_at=f"{made_at[:19]}Z")


def pdf(view: View, attached: bytes, *, identifier: bytes, moment: datetime, templates: Path | None = None) -> bytes:
    """The report as PDF/A-3a: tagged, with bookmarks, and with the evidence attached as its source.

    Args:
        attached: the evidence whose SHA-256 the view prints.
        identifier: what the file calls itself; make it of the evidence, never of the clock.
        moment: the time that stands as the file's own; with a zone.

    Raises:
        InvalidInput: the evidence is not that of the view, or the time has no zone.
        MissingProgram: Pango is not installed, or no font is.
    """
    if digest(attached) != view.evidence_sha256:
        raise InvalidInput("evidence is not that of the view", expected=view.evidence_sha256, got=digest(attached))
    page = _page(view, _folder(templates), made_at=time_text(moment))
    return printed(page, identifier=identifier, moment=moment, attached=attached)


def printed(page: str, *, identifier: bytes, moment: datetime, attached: bytes | None = None) -> bytes:
    """A page of HTML as PDF/A-3a. Whatever address it names, nothing is fetched.

    Args:
        attached: the evidence that travels in the file; None for none.

    Raises:
        InvalidInput: the time has no zone, or the page names an address.
        MissingProgram: Pango is not installed.
    """
    if moment.tzinfo is None:
        raise InvalidInput("time has no zone", got=moment.isoformat())
    with _ONE_AT_A_TIME, _fixed_epoch(moment), _no_collection():
        data, unknown = _written(page, attached, identifier, moment)
        if unknown:
            data, unknown = _written(_escaped(page, unknown), attached, identifier, moment)
    return data


def drawing(at: str) -> dict[str, Value]:
    """What a report is drawn with here, for whoever draws it again: ``at``, ``software`` (whose rules made
    its view), ``template``, ``programs``, ``specimen``.

    The specimen is the digest of a fixed page. Where it comes out the same, so does a report, byte for byte; where it
    does not, other programs draw, and two drawings of one report cannot be told apart from two reports. None if
    nothing can be drawn here.
    """
    try:
        programs, specimen = _programs(), _specimen()
    except MissingProgram:
        programs, specimen = {}, None
    software = f"tallystick {version('tallystick')}"
    return {"at": at, "software": software, "template": template_digest(), "programs": programs, "specimen": specimen}


def _programs() -> dict[str, Value]:
    """Versions of what decides how a page comes out: for people to read, the specimen is what is compared."""
    weasyprint = _weasyprint()
    from weasyprint.text.ffi import pango

    number = int(pango.pango_version())
    found = {name: version(name) for name in ("fonttools", "pydyf")}
    return found | {
        "pango": f"{number // 10000}.{number // 100 % 100}.{number % 100}",
        "weasyprint": str(weasyprint.__version__),
    }


@cache
def _specimen() -> str:
    moment = datetime(2000, 1, 1, tzinfo=UTC)
    with _ONE_AT_A_TIME, _fixed_epoch(moment):
        data, _ = _written(_SPECIMEN, b"{}", b"specimen", moment)
    return digest(data)


_SPECIMEN: Final = """<!DOCTYPE html><html lang="en"><head><title>Specimen</title><style>
p, th { font: 9pt/1.4 "DejaVu Sans Condensed" } th, b { font-weight: bold } u { font-family: "DejaVu Serif Condensed" }
code { font-family: "DejaVu Sans Mono" } s { font-family: "DejaVu Sans" }</style></head><body>
<p>0123456789 0.30 (n = 5,421) fi fl AV To “Größe” … – ✓✗○ <i>not recorded</i>
<b>0123456789 fail</b> <u>Verdict <b>0123456789</b></u> <code>0x1f+/= <b>sha256</b></code> <s>✓✗○ <b>✓✗○</b></s></p>
<table><tr><th>Value</th><td>0.2987</td></tr></table>
<svg xmlns="http://www.w3.org/2000/svg" width="60" height="20"><circle cx="9" cy="9" r="5.5" fill="#00604a"/>
<path d="M20 4V16" stroke="#a63a00" stroke-width="1.8"/><text x="30" y="12" font-size="9">0.80</text></svg>
</body></html>"""


def template_digest(*, templates: Path | None = None) -> str:
    """SHA-256 over the names and digests of the report's templates: which drawing this was."""
    folder = _folder(templates)
    lines = [f"{digest(path.read_bytes())}  {path.name}\n" for path in sorted(folder.iterdir()) if path.is_file()]
    return digest("".join(lines).encode())


def _folder(templates: Path | None) -> Path:
    return (templates if templates is not None else shipped("templates")) / _FOLDER


def _environment(folder: Path) -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined, auto_reload=False)


# --------------------------------------------------------------------------- WeasyPrint


def _weasyprint() -> Any:
    try:
        import weasyprint
    except OSError as error:
        raise MissingProgram(
            "PDF cannot be written: Pango is missing",
            got=str(error).splitlines()[0][:120],
            expected=_PANGO,
            remedy=f"apt-get install {_PANGO}",
        ) from error
    return weasyprint


def _need_a_font() -> None:
    """Pango ends the process where there is no font at all, so that is asked beforehand.

    Raises:
        MissingProgram: there is none.
    """
    from weasyprint.text.ffi import ffi, fontconfig

    config = fontconfig.FcInitLoadConfigAndFonts()
    fonts = fontconfig.FcConfigGetFonts(config, fontconfig.FcSetSystem)
    number = 0 if fonts == ffi.NULL else fonts.nfont
    fontconfig.FcConfigDestroy(config)
    if not number:
        raise MissingProgram(
            "PDF cannot be written: no font is installed",
            got="none known to Fontconfig",
            expected=_FONTS,
            remedy=f"apt-get install {_FONTS}",
        )


def _written(page: str, attached: bytes | None, identifier: bytes, moment: datetime) -> tuple[bytes, frozenset[str]]:
    """The PDF, and the characters that no font at hand can show."""
    weasyprint = _weasyprint()
    _need_a_font()
    attachments = [] if attached is None else [_attachment(weasyprint, attached, moment)]
    with _unknown_characters() as unknown, _nothing_fetched(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "unclosed file .*sRGB2014", ResourceWarning)  # left open by WeasyPrint
        document = weasyprint.HTML(string=page, base_url=None, url_fetcher=_fetcher(), media_type="print")
        data: bytes = document.write_pdf(
            pdf_variant=PDF_VARIANT,
            pdf_identifier=hashlib.sha256(identifier).digest()[:16],
            attachments=attachments,
            finisher=_each_file_once,
        )
    return data, frozenset(unknown)


def _attachment(weasyprint: Any, attached: bytes, moment: datetime) -> Any:
    return weasyprint.Attachment(
        string=attached,
        name=EVIDENCE_NAME,
        description="Machine-readable evidence: what this report says and the entries it says it from",
        created=moment.astimezone(UTC),
        modified=moment.astimezone(UTC),
        relationship="Source",
        url_fetcher=_fetcher(),
    )


def _each_file_once(_document: Any, pdf_file: Any) -> None:
    """WeasyPrint lists an attached file twice among the associated files."""
    if "AF" in pdf_file.catalog:
        pdf_file.catalog["AF"][:] = list(dict.fromkeys(pdf_file.catalog["AF"]))


def _fetcher() -> Any:
    """A fetcher that serves a table in memory, which is empty: nothing is ever fetched."""
    from weasyprint.urls import URLFetcher, URLFetcherResponse

    class InMemory(URLFetcher):  # type: ignore[misc]  # WeasyPrint has no types
        def __init__(self, assets: Mapping[str, tuple[bytes, str]]) -> None:
            super().__init__(allowed_protocols=(), allow_redirects=False, fail_on_errors=True)
            self._assets = assets

        def fetch(self, url: str, headers: Mapping[str, str] | None = None) -> Any:  # noqa: ARG002 - its signature
            if url not in self._assets:
                raise InvalidInput("a report fetches nothing", got=url[:80])
            body, media_type = self._assets[url]
            return URLFetcherResponse(url, body, {"Content-Type": media_type})

    return InMemory({})


@contextmanager
def _nothing_fetched() -> Iterator[None]:
    """A template that names an address is an error, not a picture left out."""
    from weasyprint.urls import FatalURLFetchingError

    try:
        yield
    except FatalURLFetchingError as error:
        raise InvalidInput("a report fetches nothing", got=str(error)[:120]) from error


@contextmanager
def _fixed_epoch(moment: datetime) -> Iterator[None]:
    """Fonts are stamped with SOURCE_DATE_EPOCH, as `moment` wants it."""
    before = os.environ.get(_EPOCH)
    os.environ[_EPOCH] = str(int(moment.timestamp()))
    try:
        yield
    finally:
        if before is None:
            del os.environ[_EPOCH]
        else:
            os.environ[_EPOCH] = before


@contextmanager
def _no_collection() -> Iterator[None]:
    """Let the garbage collector rest: the boxes of a page live until it is drawn, and looking through them again and
    again takes a fifth of the time. What forms a cycle is kept until the end, which is a quarter more memory.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


@contextmanager
def _unknown_characters() -> Iterator[set[str]]:
    """Collect the characters that WeasyPrint warns about: PDF/A allows no glyph that stands for "none".

    Raises:
        InvalidInput: WeasyPrint left something out of the drawing, which it would only log.
    """
    found: set[str] = set()
    errors: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "notdef" in str(record.msg) and isinstance(record.args, tuple) and record.args:
                found.update(str(record.args[0]))
            elif record.levelno >= logging.ERROR:
                errors.append(record.getMessage())

    logger, listener = logging.getLogger("weasyprint"), Listener()
    logger.addHandler(listener)
    try:
        yield found
    finally:
        logger.removeHandler(listener)
    if errors:
        raise InvalidInput("report cannot be drawn whole", got=errors[0][:120])


def _escaped(page: str, unknown: frozenset[str]) -> str:
    """The page with these characters as visible escapes; markup is ASCII, so only texts change."""
    return page.translate(
        {ord(char): char.encode("unicode_escape").decode("ascii") for char in unknown if ord(char) > 127}
    )
