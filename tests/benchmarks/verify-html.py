"""Verify an evidence pack of ten thousand entries in a browser, in seconds as the page measures them, beside
`tallystick verify` over the same bytes.

The page is `verify.html` in headless Chromium; the file is handed to it beforehand. The longest time in which the page
did not answer stands beside it: the page hands the turn back while it works.
"""

import base64
import importlib.util
import os
import sys
import time
from pathlib import Path

import _harness as harness

CONFORMANCE = Path(__file__).resolve().parent.parent / "conformance"
VERIFY = """async ([text, key]) => {
  const file = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  let last = performance.now(), longest = 0, on = true;
  const beat = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    if (on) setTimeout(beat, 0);
  };
  beat();
  const began = performance.now();
  const none = {anchors: [], consistency: [], receipt: null, requireAnchor: false};
  const said = await window.tallystick.verify({file, name: 'pack.zip', key, ...none});
  const took = performance.now() - began;
  on = false;
  return {took: took / 1000, longest: longest / 1000, exit: said.exit};
}"""


def measure(run):
    pack, browser = _module("verify-pack", Path(__file__).parent), _module("browser", CONFORMANCE)
    if browser.missing() is not None:
        raise harness.Unavailable(browser.missing())
    data, key = pack._pack(run)
    text, longest = base64.b64encode(data).decode(), []

    def limit():
        began = time.perf_counter()
        assert pack.verify_pack(data, key).completeness == "proven"
        return time.perf_counter() - began

    os.environ["XDG_CACHE_HOME"] = str(run.folder)  # the browser's own
    with browser.open_page() as page:

        def ours():
            said = page.evaluate(VERIFY, [text, str(key)])
            assert said["exit"] == 0
            longest.append(said["longest"])
            return said["took"]

        sides = run.interleaved(ours, limit)
    what = f"tallystick verify; {len(data) / 1e6:.0f} MB; longest without an answer {harness.number(max(longest))}s"
    yield harness.compare(f"verify-html-{harness.short(run.entries)}", *sides, unit="s", what=what, aim="<10s")


def _module(name, folder):
    spec = importlib.util.spec_from_file_location(name.replace("-", "_"), folder / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    harness.main(measure, rounds=(5, 1), entries=(10_000, 300))
