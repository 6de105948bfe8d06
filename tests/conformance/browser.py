"""Asks verify.html, in Chromium, what the command line of the conformance suite asks.

    python tests/conformance/browser.py FILE [--key KEY] [--anchor FILE]... [--consistency FILE]... [--receipt FILE]
        [--require-anchor] [--format json]

One page can answer many questions: `open_page()` opens it, `ask()` asks, and `answered()` asks as on a command line.
Needs Playwright and a Chromium on the PATH; no browser is downloaded.
"""

import argparse
import base64
import contextlib
import importlib.util
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[2] / "src/tallystick/standalone/verify.html"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--no-sandbox",  # the page is ours; as root Chromium has no other way
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
ASK = """async (question) => {
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return window.tallystick.verify({
    ...question,
    file: bytes(question.file),
    receipt: question.receipt === null ? null : bytes(question.receipt),
    anchors: question.anchors.map(bytes),
    consistency: question.consistency.map(bytes),
  });
}"""


def browser_path() -> str | None:
    """Where Chromium is on this machine, if it is there."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def missing() -> str | None:
    """What is not installed of what it takes, if anything."""
    if importlib.util.find_spec("playwright") is None:
        return "not installed: playwright"
    return None if browser_path() else "not installed: chromium"


@contextlib.contextmanager
def open_browser() -> Iterator[Any]:
    """A headless Chromium of this machine."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path(), args=list(QUIET))
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def open_page() -> Iterator[Any]:
    """verify.html, ready to be asked."""
    with open_browser() as browser:
        page = browser.new_page()
        page.goto(PAGE.as_uri())
        yield page


def ask(
    page: Any,
    file: bytes,
    key: str,
    *,
    name: str = "",
    anchors: Sequence[bytes] = (),
    consistency: Sequence[bytes] = (),
    receipt: bytes | None = None,
    require_anchor: bool = False,
) -> dict[str, Any]:
    """What the page says of a file: the JSON of the conformance suite, and `exit`."""

    def text(data: bytes) -> str:
        return base64.b64encode(data).decode()

    question = {
        "file": text(file),
        "name": name,
        "key": key,
        "anchors": [text(data) for data in anchors],
        "consistency": [text(data) for data in consistency],
        "receipt": None if receipt is None else text(receipt),
        "requireAnchor": require_anchor,
    }
    answer: dict[str, Any] = page.evaluate(ASK, question)
    return answer


def parsed(words: Sequence[str]) -> argparse.Namespace:
    """The command line of the conformance suite."""
    parser = argparse.ArgumentParser(prog="browser.py", description="Ask verify.html in Chromium.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--key", default="")
    parser.add_argument("--anchor", type=Path, action="append", default=[])
    parser.add_argument("--consistency", type=Path, action="append", default=[])
    parser.add_argument("--receipt", type=Path)
    parser.add_argument("--require-anchor", action="store_true")
    parser.add_argument("--format", choices=["json"], default="json")
    return parser.parse_args(words)


def answered(page: Any, words: Sequence[str], folder: Path) -> tuple[int, str]:
    """Exit code and JSON of a command line; names of files in it are those of the folder.

    Raises OSError for a file that cannot be read.
    """
    asked = parsed(words)
    file = folder / asked.file
    beside = file.with_name(f"{file.name}.tlog-proof")
    receipt = folder / asked.receipt if asked.receipt else (beside if beside.exists() else None)
    key = folder / asked.key
    answer = ask(
        page,
        file.read_bytes(),
        key.read_text(encoding="utf-8") if key.is_file() else asked.key,
        name=file.name,
        anchors=[(folder / path).read_bytes() for path in asked.anchor],
        consistency=[(folder / path).read_bytes() for path in asked.consistency],
        receipt=None if receipt is None else receipt.read_bytes(),
        require_anchor=asked.require_anchor,
    )
    code: int = answer.pop("exit")
    return code, json.dumps(answer, indent=2, ensure_ascii=False)


def main(words: Sequence[str]) -> int:
    """The exit code; the answer goes to stdout."""
    parsed(words)  # before a browser is opened for what cannot be asked
    try:
        with open_page() as page:
            code, printed = answered(page, words, Path())
    except OSError as error:
        print(f"browser.py: {error.filename}: {error.strerror}", file=sys.stderr)
        return 3
    print(printed)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
