"""Views for the benchmarks of drawing, from the sample books of the report's tests."""

import sys
import time
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "report"))

import conftest as books
from tallystick.report import render, view

MOMENT = datetime(2026, 11, 20, 12, tzinfo=UTC)


def seconds(act):
    """CPU seconds that something takes in this process."""
    began = time.process_time()
    act()
    return time.process_time() - began


def built(book, model):
    """The view of a book and its evidence."""
    found = view.build(book, model, **books.anchor_facts(book))
    return found, view.evidence(found)


def drawn(found, evidence):
    """The PDF of a view."""
    return render.pdf(found, evidence, identifier=b"bench", moment=MOMENT)


def pages(data):
    """How many pages a PDF has."""
    from pyhanko.pdf_utils.reader import PdfFileReader

    return int(PdfFileReader(BytesIO(data)).root["/Pages"]["/Count"])
