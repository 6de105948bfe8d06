"""The PDF for those who do not see it, or look at it with other programs: structure, fonts, pages that are filled."""

import functools
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import pytest

from tallystick.report import render

NAMES = ["refused", "hostile", "bare", "measured"]
WALKED = ["refused", "bare"]


@functools.cache
def elements(data):
    """The structure tree, in reading order: each element once."""
    return list(walk(data))


def walk(data):
    from pyhanko.pdf_utils.reader import PdfFileReader

    waiting = [PdfFileReader(BytesIO(data)).root["/StructTreeRoot"]]
    while waiting:
        node = waiting.pop().get_object()
        if not hasattr(node, "get"):
            continue
        if "/S" in node:
            yield node
        kids = node.get("/K", [])
        waiting += reversed(kids if isinstance(kids, list) else [kids])


@pytest.mark.parametrize("name", WALKED)
def test_headings_come_in_order_without_a_step_left_out(drawn_once, name):
    levels = [int(node["/S"][2:]) for node in elements(drawn_once(name)[1]) if re.fullmatch(r"/H\d", node["/S"])]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert levels.count(2) >= 16, "fourteen sections, the annex, and what to know before relying on it"
    assert all(after - before <= 2 for before, after in pairwise(levels))


@pytest.mark.parametrize("name", WALKED)
def test_the_text_of_a_figure_is_its_title_and_what_it_shows(drawn_once, name):
    found, data = drawn_once(name)
    pictures = [b for s in found.sections for b in s.blocks if hasattr(b, "description")]
    told = [node["/Alt"] for node in elements(data) if node["/S"] == "/Figure"]
    assert told == [f"{picture.title}. {picture.description}" for picture in pictures]
    assert sum(node["/S"] == "/Caption" for node in elements(data)) == len(pictures)


@pytest.mark.parametrize("name", WALKED)
def test_every_cell_of_a_table_names_its_headers(drawn_once, name):
    tree = elements(drawn_once(name)[1])
    headers = {str(node["/ID"]) for node in tree if node["/S"] == "/TH"}
    named = [
        header for node in tree if node["/S"] == "/TD" for part in parts(node) for header in part.get("/Headers", [])
    ]
    assert len(headers) > 50
    assert set(map(str, named)) <= headers
    cells = Counter(node["/S"] for node in tree)
    assert len(named) >= 0.9 * cells["/TD"]


def parts(node):
    given = node.get("/A", {})
    return given if isinstance(given, list) else [given]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.skipif(shutil.which("qpdf") is None, reason="qpdf is not installed")
def test_another_program_finds_no_fault_in_the_file(drawn_once, name, tmp_path):
    (tmp_path / "a.pdf").write_bytes(drawn_once(name)[1])
    done = subprocess.run(["qpdf", "--check", str(tmp_path / "a.pdf")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("pdffonts") is None, reason="poppler-utils is not installed")
def test_every_font_of_every_page_is_embedded_and_maps_to_characters(drawn_once, tmp_path):
    (tmp_path / "a.pdf").write_bytes(drawn_once("measured")[1])
    done = subprocess.run(["pdffonts", str(tmp_path / "a.pdf")], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()[2:]
    assert lines
    for line in lines:
        assert re.search(r"\byes yes yes\b", line), line


@pytest.mark.skipif(shutil.which("pdfinfo") is None, reason="poppler-utils is not installed")
def test_the_text_can_be_read_in_the_order_of_the_structure(drawn_once, tmp_path):
    (tmp_path / "a.pdf").write_bytes(drawn_once("refused")[1])
    done = subprocess.run(["pdfinfo", "-struct-text", str(tmp_path / "a.pdf")], capture_output=True, check=True)
    text = done.stdout.decode()
    assert text.index("Refused by its gates") < text.index("Verdict, scope, anchor") < text.index("What is not proven")


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="poppler-utils is not installed")
@pytest.mark.parametrize("name", [*NAMES, "large", "promoted"])
def test_the_first_page_holds_the_summary_and_no_page_is_empty(drawn_once, name, tmp_path):
    (tmp_path / "a.pdf").write_bytes(drawn_once(name)[1])
    done = subprocess.run(["pdftotext", "-layout", str(tmp_path / "a.pdf"), "-"], capture_output=True, check=True)
    sheets = done.stdout.decode().split("\f")[:-1]
    assert "Evidence, SHA-256" in sheets[0]
    assert "Verdict, scope, anchor" in sheets[1]
    for number, sheet in enumerate(sheets, 1):
        lines = [line for line in sheet.splitlines() if line.strip()]
        assert len(lines) > 9 or number == len(sheets), f"page {number} holds {lines}"


def test_without_any_font_the_package_to_install_is_named(tmp_path):
    config = tmp_path / "fonts.conf"
    config.write_text(f"<fontconfig><dir>{tmp_path}</dir><cachedir>{tmp_path}/cache</cachedir></fontconfig>")
    script = """
from tallystick.errors import MissingProgram
from tallystick.report import render
try:
    render._need_a_font()
except MissingProgram as error:
    print(error)
"""
    source = str(Path(render.__file__).resolve().parents[2])
    environment = {**os.environ, "PYTHONPATH": source, "FONTCONFIG_FILE": str(config)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert "no font is installed; expected fonts-dejavu-core" in done.stdout
    assert "apt-get install fonts-dejavu-core" in done.stdout


# --------------------------------------------------------------------------- colours


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    """As WCAG 2.2 defines it: from 1 to 21."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_every_colour_of_text_and_mark_stands_out_from_paper_and_tint():
    charts = render._folder(None).joinpath("charts.html.j2").read_text()
    named = dict(re.findall(r'set (\w+) = "(#[0-9a-f]{6})"', charts))
    for ink in ("INK", "GREY", "FAIL", "OPEN", "GOOD"):
        for paper in ("#ffffff", named["FAIL_TINT"], named["OPEN_TINT"], "#f2f4f5"):
            assert contrast(named[ink], paper) >= 4.5, (ink, paper)
    hues = re.findall(r"#[0-9a-f]{6}", re.search(r"set HUES = \((.*?)\)", charts)[1])
    assert min(contrast(hue, "#ffffff") for hue in hues) >= 3
    assert contrast(*hues[:2]) >= 1.8, "two groups are told apart in grey too"


def test_each_verdict_has_a_shape_of_its_own_besides_its_colour():
    from jinja2 import Environment, FileSystemLoader

    loader = FileSystemLoader(render._folder(None))
    mark = Environment(loader=loader, autoescape=True).get_template("charts.html.j2").module.mark
    verdicts = ("pass", "fail", "warn", "inconclusive", "not_evaluable")
    shapes = {re.sub(r'"#[0-9a-f]{6}"', '"ink"', str(mark(verdict, 10, 10))) for verdict in verdicts}
    assert len(shapes) == len(verdicts)
