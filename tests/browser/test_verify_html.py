"""verify.html in a real browser: what an auditor sees, what a forger cannot hide, and that it agrees with `verify`.

The page shares no code with tallystick. Packs come from tests/golden, which an earlier build wrote, and from _packs,
which makes what no honest ledger hands out; what `tallystick verify` says of each is the other opinion.
What the page says of the conformance suite is asked in tests/conformance.
"""

import base64
import contextlib
import hashlib
import hmac
import itertools
import json
import random
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "conformance")]

import run as suite  # noqa: E402 - that of the conformance suite
import seal  # noqa: E402
from _packs import Ledger, b64, canonical, container, members  # noqa: E402
from _world import ENGINEER, LEDGER, OFFICER, VKEY, Draftpack, World  # noqa: E402

import browser  # noqa: E402 - found by the line above
from tallystick.canonical import digest, encode  # noqa: E402
from tallystick.cli.main import run  # noqa: E402
from tallystick.proof.envelope import pae  # noqa: E402
from tallystick.records import Attachment, Entry, Personal  # noqa: E402

pytestmark = pytest.mark.skipif(browser.missing() is not None, reason=str(browser.missing()))

GOLDEN = HERE.parent / "golden" / "v1"
PACK, PDF, RECEIPT, KEPT = (
    (GOLDEN / name).read_bytes() for name in ("evidence.zip", "audit.pdf", "audit.pdf.tlog-proof", "kept.checkpoint")
)
KEY = (GOLDEN / "ledger.vkey").read_text(encoding="utf-8").strip()
FINGERPRINT = "8fcc1fc651be408b77bacc19c1d8b623391ee23a0bb255a1d121eae9064d8e5c"


@pytest.fixture(scope="module")
def window():
    """One window for all tests of this module, closed with them: Playwright keeps an event loop running meanwhile,
    beside which nothing else can run one, such as what seals a PDF. With it comes what was asked of a network, and
    what ran that should not.
    """
    with browser.open_browser() as opened:
        page, asked, broken = opened.new_page(), [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("dialog", lambda dialog: (broken.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("pageerror", lambda error: broken.append(f"error: {error}"))
        page.on("console", lambda line: broken.append(f"console: {line.text}"))
        page.on("filechooser", lambda chooser: None)  # so that no dialog of the browser opens
        yield page, asked, broken


@pytest.fixture
def page(window):
    """The page, loaded anew; a request beside that for itself, and anything that runs and should not, is a failure."""
    opened, asked, broken = window
    opened.set_viewport_size({"width": 1100, "height": 900})
    opened.emulate_media(color_scheme="light")
    asked.clear()
    broken.clear()
    opened.goto(browser.PAGE.as_uri())
    yield opened
    opened.evaluate("0")  # what was said until now has arrived
    assert asked == [browser.PAGE.as_uri()]
    assert broken == []


@pytest.fixture(scope="module")
def ledger():
    made = Ledger()
    for number in range(6):
        made.add("document", title=f"Minutes {number}", type="minutes", digest="ab" * 32)
    return made


def file(name, data):
    return {"name": name, "mimeType": "application/octet-stream", "buffer": data}


def verify(page, data, *, key=KEY, name="evidence.zip", anchors=()):
    """Brings key and file by the file inputs, and waits for the verdict."""
    page.set_input_files("#key-input", file("ledger.vkey", f"{key}\n".encode()))
    page.set_input_files("#file-input", file(name, data))
    if anchors:
        page.set_input_files("#anchors-input", [file(f"{n}.checkpoint", anchor) for n, anchor in enumerate(anchors)])
    page.click("#go")
    return verdict(page)


def verdict(page):
    page.wait_for_selector("#verdict:not([hidden])")
    return page.inner_text("#verdict")


def drop(page, *files):
    """Drops files onto the page as a mouse would."""
    page.evaluate(
        """(files) => {
          const carried = new DataTransfer();
          for (const [name, text] of files) {
            const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
            carried.items.add(new File([bytes], name));
          }
          for (const type of ["dragenter", "dragover", "drop"]) {
            const event = new DragEvent(type, {dataTransfer: carried, bubbles: true, cancelable: true});
            document.getElementById("drop").dispatchEvent(event);
          }
        }""",
        [[name, base64.b64encode(data).decode()] for name, data in files],
    )


ALTERED = "the signature does not hold: the signed list of contents was altered after the ledger signed it"


def without(*names):
    """The golden pack without some members, and its list of contents made to fit, which takes no key."""
    found = {name: data for name, data in members(PACK).items() if name not in names}
    envelope = json.loads(found["manifest.json"])
    told = json.loads(base64.b64decode(envelope["payload"]))
    told["members"] = [line for line in told["members"] if line["name"] not in names]
    told["entries"] = sum(name.startswith("entries/") for name in found)
    envelope["payload"] = b64(canonical(told))
    return container(found | {"manifest.json": canonical(envelope)})


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


# ------------------------------------------------------------------ the page itself


def test_the_policy_of_the_page_names_its_script_and_its_style_and_allows_nothing_else():
    text = browser.PAGE.read_text(encoding="utf-8")
    assert seal.sealed(text) == text, "run: python tests/browser/seal.py"
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)[1]
    sources = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    nothing = ("default-src", "connect-src", "form-action", "base-uri")
    assert {name: sources[name] for name in nothing} == dict.fromkeys(nothing, "'none'")
    assert sources["require-trusted-types-for"] == "'script'"
    assert "unsafe" not in policy
    assert "http:" not in policy


def test_the_page_has_no_way_to_run_text_to_keep_it_or_to_send_it():
    script = re.search(r"<script>(.*)</script>", browser.PAGE.read_text(encoding="utf-8"), re.S)[1]
    banned = r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function|setTimeout|Storage|indexedDB"
    banned += r"|\bfetch\b|XMLHttpRequest|WebSocket|EventSource|sendBeacon|\bimport\(|\.cookie|Math\.random"
    assert re.findall(banned, script) == []


# ------------------------------------------------------------------ what an auditor does


def test_key_and_checkpoint_of_the_same_drop_as_the_pack_wait_until_somebody_vouches_for_them(page):
    drop(page, ("kept.checkpoint", KEPT), ("evidence.zip", PACK), ("ledger.vkey", KEY.encode()))
    page.wait_for_selector("#file-brought >> text=evidence.zip")
    page.wait_for_selector("#anchors-brought >> text=it counts only if you have it from elsewhere")
    assert "ledger.vkey came in the same drop as kept.checkpoint and 1 more file: use it" in page.inner_text(
        "#question"
    )
    page.click("#go")
    assert "does not vouch for itself" in page.inner_text("#status")
    page.click("text=I have ledger.vkey from elsewhere")
    assert page.input_value("#key") == KEY
    page.click("#go")
    said = verdict(page)
    assert "none: kept.checkpoint came in the same drop as evidence.zip and 1 more file, and you did not say" in said
    assert "18 of 18" in said
    page.click("text=I have kept.checkpoint from elsewhere")
    assert page.locator("#verdict").is_hidden()
    page.click("#go")
    said = verdict(page)
    assert "✓ Verified" in said
    assert page.inner_text(".answers").split("\n")[:2] == ["INTEGRITY", "✓ok"]
    assert "stated" in page.inner_text(".answers")
    banner = page.inner_text(".banner .rests")
    assert "from the file ledger.vkey (it came in the same drop as kept.checkpoint and 1 more file; you say" in banner
    assert "a checkpoint of 11 entries that you brought agrees (kept.checkpoint came in the same drop as evid" in banner
    assert said.index("you say that you have it") < said.index("INTEGRITY")
    assert "7 of 18" in said
    assert page.evaluate("document.activeElement.id") == "headline"


@pytest.mark.parametrize("along", [True, False], ids=["with the pack", "by itself"])
def test_a_key_that_is_dropped_never_takes_the_place_of_the_one_that_was_typed(page, ledger, along):
    page.fill("#key", KEY)
    files = [
        ("evidence.zip", ledger.pack()),
        ("kept.checkpoint", ledger.checkpoint()),
        ("own.vkey", ledger.vkey.encode()),
    ]
    for dropped in [files] if along else [files[2:], files[:2]]:
        drop(page, *dropped)
        page.wait_for_selector(f"text={dropped[0][0]}")
    page.wait_for_selector("#key-offered >> text=it was not used, and yours stays")
    assert page.input_value("#key") == KEY
    page.click("#go")
    said = verdict(page)
    assert "✓ Verified" not in said
    assert "is it the right key?" in said
    assert "from what you typed or pasted" in said
    page.fill("#key", "")
    assert page.locator("#verdict").is_hidden()
    page.click("text=I have own.vkey from elsewhere")
    assert page.input_value("#key") == ledger.vkey
    page.fill("#key", KEY)
    page.click("#go")
    assert "from what you typed or pasted" in verdict(page)


CHANGES = {
    "another file dropped": lambda page: drop(page, ("kept.checkpoint", KEPT)),
    "a key dropped": lambda page: drop(page, ("ledger.vkey", KEY.encode())),
    "the key edited": lambda page: page.fill("#key", KEY[:-1]),
    "the key chosen": lambda page: page.set_input_files("#key-input", file("ledger.vkey", KEY.encode())),
    "a checkpoint chosen": lambda page: page.set_input_files("#anchors-input", file("kept.checkpoint", KEPT)),
    "a checkpoint removed": lambda page: page.click("#anchors-brought button"),
    "another question": lambda page: page.check("#require-anchor"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_no_verdict_stands_about_what_was_changed_since(page, change):
    assert "✓ Verified" in verify(page, PACK, anchors=[KEPT])
    change(page)
    page.wait_for_selector("#verdict", state="hidden")
    assert page.inner_text("#verdict") == ""
    assert "Verified" not in page.inner_text("#status")


def test_no_verdict_comes_about_what_was_changed_while_it_was_found(page):
    page.fill("#key", KEY)
    page.set_input_files("#file-input", file("evidence.zip", PACK))
    page.wait_for_selector("#file-brought li")
    page.evaluate(
        """() => { document.getElementById("go").click();
          document.getElementById("key").dispatchEvent(new Event("input")); }"""
    )
    page.wait_for_selector("#status >> text=Something was changed meanwhile")
    assert page.locator("#verdict").is_hidden()


def test_what_is_dropped_piece_by_piece_finds_its_place_too(page):
    for name, data in (("kept.checkpoint", KEPT), ("audit.pdf.tlog-proof", RECEIPT), ("audit.pdf", PDF)):
        drop(page, (name, data))
        page.wait_for_selector(f"#more >> text={name}" if name.endswith("proof") else f".brought >> text={name}")
    page.wait_for_selector("#file-brought >> text=audit.pdf")
    page.wait_for_selector("#anchors-brought >> text=kept.checkpoint")
    page.fill("#key", KEY)
    page.click("#go")
    said = verdict(page)
    assert "what you typed or pasted" in said
    assert "records this very file" in said
    assert "nothing here links the two" in said


def test_the_story_is_read_from_the_entries(page):
    said = verify(page, PACK)
    for words in ("What the ledger tells", "Made from", "Was measured", "Was approved", "Went into", "Approvals"):
        assert words in said
    assert page.locator("table tbody").count() > 3
    assert page.locator(".entries > li").count() == 17
    page.click(".way .entry-link >> nth=0")
    opened = page.locator(".entries details[open]")
    assert opened.count() == 1
    shown = json.loads(opened.locator("pre").inner_text())
    raw = members(PACK)[f"entries/{shown['seq']:09d}.json"]
    assert shown == json.loads(raw)
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"


def test_without_a_key_nothing_is_green(page):
    page.set_input_files("#file-input", file("evidence.zip", PACK))
    page.click("#go")
    assert "does not vouch for itself" in page.inner_text("#status")
    assert page.evaluate("document.activeElement.id") == "key"
    assert page.locator("#verdict").is_hidden()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda ledger: {"key": ledger.vkey}, "is it the right key?"),
        (lambda ledger: {"data": flipped(PACK, PACK.index(b'"kind":"model"'))}, "altered, or damaged"),
        (
            lambda ledger: {"data": container({n: d for n, d in members(PACK).items() if n != "readme.txt"})},
            "readme.txt: the manifest lists it, and it is not here",
        ),
        (lambda ledger: {"data": ledger.pack()}, "is it the right key?"),
        (lambda ledger: {"anchors": [flipped(KEPT, KEPT.index(b"\n11\n") + 1)]}, "cannot be used"),
    ],
    ids=["wrong key", "flipped byte", "removed member", "other ledger", "altered anchor"],
)
def test_what_does_not_hold_is_named_with_what_to_do(page, ledger, change, words):
    given = {"data": PACK} | change(ledger)
    said = verify(page, given.pop("data"), **given)
    assert "✓ Verified" not in said
    assert words in said
    assert "What to do:" in said


@pytest.mark.parametrize("named", [True, False], ids=["key named", "no key named"])
def test_a_list_of_contents_that_was_altered_is_not_called_a_wrong_key(page, named):
    """The checkpoint beside it is signed by the key that was given, whatever the envelope says of its own."""
    data = without("entries/000000003.json", "proofs/000000003.tlog-proof")
    if not named:
        found = members(data)
        envelope = json.loads(found["manifest.json"])
        del envelope["signatures"][0]["keyid"]
        data = container(found | {"manifest.json": canonical(envelope)})
    said = verify(page, data)
    assert "✗ Does not verify" in said
    assert ALTERED in said
    assert "somebody changed this after the ledger wrote it" in said
    assert "right key" not in said


def typed(page, data, key, *, name="evidence.zip"):
    page.fill("#key", key)
    page.set_input_files("#file-input", file(name, data))
    page.click("#go")
    return verdict(page)


def test_a_fingerprint_as_it_was_dictated_opens_a_pack_which_shows_the_key_that_a_report_takes(page):
    dictated = f"{FINGERPRINT[:8].upper()}-{FINGERPRINT[8:16]}:{FINGERPRINT[16:40]}\n {FINGERPRINT[40:].upper()} "
    assert browser.ask(page, PACK, dictated)["exit"] == 0
    said = typed(page, PACK, dictated)
    assert "✓ Verified" in said
    assert "from the fingerprint that you typed; the key itself came out of the pack, of golden.example" in said
    copied = page.get_by_label("Verifier key, to copy").input_value()
    assert copied == KEY

    page.set_input_files("#receipt-input", file("audit.pdf.tlog-proof", RECEIPT))
    said = typed(page, PDF, dictated, name="audit.pdf")
    assert "? Could not be found out" in said
    assert "a report carries no key: give the key itself" in said
    assert "from the fingerprint that you typed: it could not be used" in said
    assert "open the pack here with the fingerprint first, and the page shows the key to copy" in said
    assert "came out of the pack" not in said
    page.fill("#key", copied)
    page.click("#go")
    page.wait_for_selector(".banner.good")
    assert page.get_by_label("Verifier key, to copy").count() == 0


@pytest.mark.parametrize("digits", [FINGERPRINT[:-1], f"{FINGERPRINT}0", "12 ab"])
def test_a_fingerprint_of_another_length_is_none(page, digits):
    said = typed(page, PACK, digits)
    assert "? Could not be found out" in said
    assert f"a fingerprint has 64 digits, from 0 to 9 and a to f; this has {len(digits.replace(' ', ''))}" in said


def test_of_another_fingerprint_both_are_shown_to_be_compared(page):
    said = typed(page, PACK, FINGERPRINT[::-1])
    assert "? Could not be found out" in said
    assert "the pack was made by a ledger whose key has another fingerprint" in said
    for digits in (FINGERPRINT, FINGERPRINT[::-1]):
        assert " ".join(digits[at : at + 4] for at in range(0, 64, 4)) in said
    assert "the pack is another ledger's" in said
    assert "altered" not in said


def test_a_history_made_anew_is_caught_by_the_checkpoint_that_was_kept(page, ledger):
    other = Ledger()
    other.add("document", title="Made anew", type="minutes", digest="ab" * 32)
    said = verify(page, other.pack(), key=ledger.vkey, anchors=[ledger.checkpoint(2)])
    assert "✗ Does not verify" in said
    assert "the gravest finding" in said
    assert "What the ledger tells" not in said


def test_the_whole_page_works_by_keyboard(page):
    """Tab, Enter and Space alone. A press on a file input is a click, at which a browser opens its dialog; the file is
    put in as that dialog would.
    """
    seen = []
    page.bring_to_front()

    def go_to(identity):
        for _ in range(40):
            page.keyboard.press("Tab")
            at = page.evaluate("document.activeElement.id || document.activeElement.tagName")
            seen.append(at)
            if at == identity:
                return
        pytest.fail(f"{identity} is not reached by Tab: {seen}")

    def choose(identity, chosen):
        page.evaluate(
            """(id) => { window.pressed = false;
              document.getElementById(id).addEventListener("click", () => { window.pressed = true; }); }""",
            identity,
        )
        go_to(identity)
        page.keyboard.press("Space")
        page.wait_for_function("window.pressed")
        page.set_input_files(f"#{identity}", chosen)

    go_to("key")
    page.keyboard.insert_text(KEY)
    choose("file-input", file("evidence.zip", PACK))
    page.wait_for_selector("#file-brought li")
    go_to("SUMMARY")
    page.keyboard.press("Enter")
    choose("anchors-input", file("kept.checkpoint", KEPT))
    page.wait_for_selector("#anchors-brought li")
    go_to("require-anchor")
    page.keyboard.press("Space")
    go_to("go")
    page.keyboard.press("Enter")
    assert "✓ Verified" in verdict(page)
    assert page.evaluate("document.activeElement.id") == "headline"


def test_everything_has_a_name_and_headings_do_not_jump(page):
    verify(page, PACK, anchors=[KEPT])
    tree = page.locator("body").aria_snapshot()
    for line in (
        'textbox "Verifier key or fingerprint"',
        'button "Key from a file"',
        'button "Pack, report or other file"',
        'button "Remove evidence evidence.zip"',
        'button "Checkpoints kept elsewhere"',
        'button "Remove checkpoint 0.checkpoint"',
        'button "Consistency proofs"',
        'button "Receipt of the report"',
        'checkbox "Say yes only if a checkpoint that I kept agrees"',
        'button "Verify"',
        'heading "Verified" [level=2]',
        'heading "Entries (17)" [level=3]',
    ):
        assert line in tree, line
    assert re.search(r'button "Show entry \d+, model"', tree)
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("input, textarea, button, progress, meter, [role=region], pre")]
          .filter((e) => !e.getAttribute("aria-label") && !e.labels?.length && !e.textContent.trim()
            && !e.getAttribute("aria-labelledby")).map((e) => e.outerHTML)"""
    )
    assert nameless == []
    levels = page.evaluate("() => [...document.querySelectorAll('h1,h2,h3,h4')].map((e) => Number(e.tagName[1]))")
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_a_screen_reader_is_told_the_verdict_and_its_reason_and_not_every_step(page):
    page.evaluate(
        """() => {
          window.told = [];
          const status = document.getElementById("status");
          new MutationObserver(() => {
            if (status.getAttribute("aria-busy") !== "true") window.told.push(status.textContent);
          }).observe(status, {childList: true});
        }"""
    )
    verify(page, flipped(PACK, PACK.index(b'"kind":"model"')))
    assert page.locator("#status").get_attribute("role") == "status"
    assert page.evaluate("window.told") == ["Reading", "Does not verify. Integrity failed, completeness failed."]
    heading = page.locator("h2:focus")
    assert "its bytes are not those of its checksum" in page.inner_text(f"#{heading.get_attribute('aria-describedby')}")


def test_what_has_the_focus_of_the_keyboard_is_seen(page):
    verify(page, PACK, anchors=[KEPT])
    page.evaluate("document.getElementById('key').focus()")
    outlines = []
    while True:
        page.keyboard.press("Tab")
        at, outline = page.evaluate(
            """() => { const at = document.activeElement, {outlineWidth, outlineStyle} = getComputedStyle(at);
              return [at.tagName, `${at.tagName} ${outlineWidth} ${outlineStyle}`]; }"""
        )
        if at == "BODY":  # after the last one
            break
        outlines.append(outline)
    assert len(outlines) > 40
    assert [outline for outline in outlines if not outline.endswith(" 3px solid")] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("data", [PACK, flipped(PACK, 60)], ids=["green", "failed"])
def test_text_stands_out_from_what_is_behind_it(page, scheme, data):
    """A contrast of 4.5 and more, as WCAG 2 computes it."""
    page.emulate_media(color_scheme=scheme)
    verify(page, data)
    faint = page.evaluate(
        """() => {
          const parts = (css) => css.match(/[\\d.]+/g).map(Number);
          const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
            .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
            .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
          const behind = (e) => {
            for (; e; e = e.parentElement) {
              const colour = parts(getComputedStyle(e).backgroundColor);
              if (colour.length === 3 || colour[3] === 1) return colour;
            }
            return [255, 255, 255];
          };
          const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
          const found = [];
          while (walk.nextNode()) {
            const e = walk.currentNode.parentElement;
            if (!walk.currentNode.data.trim() || !e.offsetParent || e.closest("script")) continue;
            const [a, b] = [light(parts(getComputedStyle(e).color)), light(behind(e))];
            const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
            if (ratio < 4.5) found.push(`${ratio.toFixed(2)}: ${walk.currentNode.data}`);
          }
          return found;
        }"""
    )
    assert faint == []


@pytest.mark.parametrize("width", [320, 400, 600, 1600])
def test_nothing_is_cut_off_or_scrolls_sideways(page, width):
    """A window of 1200 at a zoom of 200 % is one of 600 to the page."""
    page.set_viewport_size({"width": width, "height": 800})
    typed(page, PACK, FINGERPRINT)
    page.locator(".entries summary").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    clipped = page.evaluate(
        """() => [...document.querySelectorAll("#verdict :is(p, dd, dt, li:not(.stage), h3, textarea)")]
          .filter((e) => e.checkVisibility() && e.scrollWidth > e.clientWidth + 1).map((e) => e.textContent)"""
    )
    assert clipped == []


def test_a_large_pack_leaves_the_page_alive(page):
    """It says how far it is, and a click meanwhile is answered."""
    made = Ledger()
    for number in range(1500):
        made.add("document", title=f"Minutes {number}", type="minutes", digest="ab" * 32)
    page.evaluate(
        """() => {
          window.said = new Set();
          const status = document.getElementById("status");
          new MutationObserver(() => window.said.add(status.textContent)).observe(status, {childList: true});
          const look = () => {
            if (document.getElementById("go").disabled) window.alive = (window.alive ?? 0) + 1;
            requestAnimationFrame(look);
          };
          look();
        }"""
    )
    assert "✓ Verified" in verify(page, made.pack(), key=made.vkey)
    said = page.evaluate("[...window.said]")
    assert sum(text.startswith("Checking entry") for text in said) > 3, said
    assert page.evaluate("window.alive") > 3
    assert page.locator(".entries > li").count() == 200
    page.click("text=Show more")
    assert page.locator(".entries > li").count() == 700


def test_a_browser_without_ed25519_is_told_and_nothing_is_green(page):
    page.evaluate(
        """() => {
          const known = crypto.subtle.importKey.bind(crypto.subtle);
          crypto.subtle.importKey = (form, data, algorithm, ...rest) => algorithm.name === "Ed25519"
            ? Promise.reject(new DOMException("no", "NotSupportedError")) : known(form, data, algorithm, ...rest);
        }"""
    )
    said = verify(page, PACK)
    assert "? Could not be found out" in said
    assert "this browser cannot verify Ed25519" in said
    assert browser.ask(page, PACK, KEY)["exit"] == 3


# ------------------------------------------------------------------ reports, samples, what is withheld


SEALED = b"%PDF-1.7\nno verifier here looks inside"
AUDIT = Attachment("audit.pdf", "application/pdf", SEALED, salt=bytes(32))


def reported(later=0, scope=None):
    """A ledger of five entries with a report over the first three, and what was recorded since."""
    names = tuple(Personal(f"name {number}", "x", salt=bytes(32)) for number in range(7))
    world = World().genesis().usecase().dataset(personal=names).document()
    body = {
        "file": {"name": "audit.pdf", "sha256": digest(SEALED), "size": len(SEALED), "mediaType": "application/pdf"},
        "evidence": {"name": "evidence.json", "sha256": "ab" * 32, "size": 1}, "template": {}, "anchor": "none",
        "as_of": "2027-03-03T09:00:00.000000Z", "checkpoint": {"size": 3, "root": "ab" * 32},
        "scope": scope or {"name": "credit\u202e", "version": 7}, "signer": {},
    }  # fmt: skip
    subject = ({"name": "audit.pdf", "digest": {"sha256": digest(SEALED)}},)
    world = world.add("report", body, by=[LEDGER], subject=subject, attachments=(AUDIT,))
    for _ in range(later):
        world = world.document()
    return world


def report_answer(page, world, **other):
    return browser.ask(page, SEALED, str(VKEY), receipt=world.receipt(4), **other)


def test_a_report_is_called_what_its_entry_calls_it(page):
    said = browser.ask(page, SEALED, str(VKEY), receipt=reported().receipt(4))
    assert "credit\u202e, version 7, as of 2027-03-03T09:00:00Z" in said["checks"][1]["detail"]
    page.set_input_files("#receipt-input", file("x.tlog-proof", reported().receipt(4)))
    shown = verify(page, SEALED, key=str(VKEY), name="mortgage-v9.pdf")
    assert r"of credit\u202e, version 7, as of 2027-03-03T09:00:00Z" in page.inner_text(".banner")
    assert "Whether this report is still up to date is not shown: it speaks of the first 3 entries." in shown


@pytest.mark.parametrize(
    ("world", "anchors", "more"),
    [
        (reported(), [], ""),
        (reported(1), [], "; at least 1 more entry is known"),
        (reported(), [reported(6).note()], "; at least 6 more entries are known"),
    ],
    ids=["nothing", "by its receipt", "by an anchor that nothing links"],
)
def test_a_report_that_holds_may_be_out_of_date(page, world, anchors, more):
    said = report_answer(page, world, anchors=anchors)["not_proven"]
    assert f"Whether this report is still up to date is not shown: it speaks of the first 3 entries{more}." in said


def withholding(later=0, world=None):
    world = world or reported(later)
    draft = Draftpack.of(world).insert("report/audit.pdf", SEALED, before="readme")
    first = replace(world, raws=world.raws[:5])
    draft.insert("report/receipt.tlog-proof", first.receipt(4), before="readme")
    for seq in (2, 4):
        del draft.members[f"side/{seq:09}.json"]
    draft.manifest["withheld"] = [{"seq": 2, "name": f"name {number}"} for number in range(7)]
    draft.manifest["withheld"].append({"seq": 4, "name": "audit.pdf"})
    return draft


def test_all_that_is_withheld_can_be_read_and_the_report_in_the_pack_is_not_among_it(page):
    draft = withholding(later=2)
    answer = browser.ask(page, draft.bytes(), str(VKEY))
    (line,) = (text for text in answer["not_proven"] if "withheld" in text)
    first = ", ".join(f"name {number} of entry 2" for number in range(5))
    assert line == f"7 values are erased, withheld or missing: {first} and 2 more."
    assert any(
        text.endswith("the first 3 entries; at least 2 more entries are known.") for text in answer["not_proven"]
    )
    verify(page, draft.bytes(), key=str(VKEY))
    page.click("text=All 7 values that are erased, withheld or missing")
    listed = page.locator("details[open] > .plainly li").all_inner_texts()
    assert listed == [f"name {number} of entry 2" for number in range(7)]


def test_another_report_than_the_one_in_the_pack_is_withheld(page):
    draft = withholding()
    for name in ("report/audit.pdf", "report/receipt.tlog-proof"):
        del draft.members[name]
    said = browser.ask(page, draft.bytes(), str(VKEY))["not_proven"]
    assert any(text.startswith("8 values are erased, withheld or missing") for text in said)


def test_a_sample_says_in_words_what_was_drawn_from_what(page):
    made = alerts(12)
    said = verify(page, sampled(made), key=made.vkey)
    assert "2 of 3 alerts of 2026-11-02 10:00:02 UTC to before 2026-11-02 10:00:08 UTC" in said
    assert f"drawn by the seed '{SEED}' (entries 2, 4): compare seed, kind, period and number with what you" in said


FLAWS = {
    "chain_broken": "entries/000000002.json: links to no entry before it",
    "checkpoint_binary": "it begins neither as a pack nor as a report",
    "checkpoint_no_empty_line": "no empty line stands before a signature",
    "checkpoint_no_signature": "no signature stands under it",
    "checkpoint_signature_flipped": "the signature does not hold: altered after the ledger signed it",
    "checkpoint_size_sign": "size: not a plain number (+5)",
    "checkpoint_stranger": "with another key than the one that you gave",
    "checkpoint_under_other_name": "signed by conformance.example/0c9f1e52-0000-4000-8000-000000000002, not by",
    "consistency_hash_less": "3 hashes, and from 3 to 5 it takes 4",
    "container_compressed": "readme.txt: in the directory: compression is 8, not 0",
    "container_empty": "manifest.json is missing",
    "container_encrypted_flag": "readme.txt: in the directory: flags is 1, not 0",
    "container_extra_field": "readme.txt: in its own header: length of the extra field is 9, not 0",
    "container_member_twice": "readme.txt stands twice",
    "container_name_disagrees": "readme.txt: has another name in its own header",
    "container_nothing": "the file is empty",
    "container_overlapping": "its directory names more members, or more bytes of them, than it holds",
    "container_prepended": "it begins neither as a pack nor as a report",
    "container_truncated": "something is cut off, or stands behind it",
    "entry_no_kind": "kind is missing or malformed",
    "entry_time": "recorded_at is missing or malformed",
    "genesis_other_key": "entry 0 names another key (",
    "genesis_other_origin": "entry 0 names another ledger (",
    "genesis_twice": "a second genesis",
    "key_of_another_ledger": "not signed by the key that you gave",
    "key_vkey_spaced": "more stands there than the line of the key",
    "manifest_member_name": "entries/000000009.json: the manifest lists it, and it is not here",
    "manifest_members_short": "readme.txt: is here, and the manifest does not list it",
    "manifest_more": "a field that does not belong there (more)",
    "manifest_no_keyid": "does not name the key that signed it",
    "manifest_no_signature": "carries no signature",
    "manifest_other_count": "it counts 4 entries, and here are 5",
    "manifest_other_root": "it speaks of another root than the checkpoint",
    "manifest_other_size": "its range, 0 to 4, is not that of 4 entries",
    "manifest_signature_flipped": ALTERED,
    "manifest_signed_twice": "signed more than once",
    "manifest_withheld_in_silence": "counts.json of entry 2: is not here, and the manifest does not list it",
    "manifest_withheld_too_much": "lists more of entry 2 as withheld",
    "pack_proof_of_another": "is the proof of entry 4",
    "part_side_empty": "holds no value",
    "part_side_twice": "name stands twice",
    "receipt_extra_twice": "carries two entries",
    "receipt_magic": "not a tlog-proof of version 1",
    "receipt_without_checkpoint": "no checkpoint stands under the proof",
    "sample_drawn_twice": "drawn is missing or malformed",
    "sample_population": "8 of kind document were recorded in its time, not 7",
}


def test_each_flaw_is_named_with_what_to_do(page):
    """Of the conformance suite: every failed check says what to do, and these say what is wrong in their own words."""
    cases = {name.removesuffix("_fail"): case for name, case in suite.chosen([]) if name.endswith("_fail")}
    assert set(FLAWS) <= set(cases)
    for name, case in cases.items():
        _, printed = browser.answered(page, suite.arguments(case), suite.CASES / f"{name}_fail")
        failed = [check for check in json.loads(printed)["checks"] if check["outcome"] == "failed"]
        assert failed, name
        assert FLAWS.get(name, "") in failed[0]["detail"], name
        assert all(check["remedy"] for check in failed), (name, failed)


# ------------------------------------------------------------------ hostile text


NASTY = (
    '<img src=x onerror="alert(1)">',
    "<script>alert(2)</script>",
    "safe\u202egnp.exe\u202c",
    "a\u200bb\u2060c\ufeffd",
    "javascript:alert(3)",
    "\u3164blank\u00a0\u2028line\u2800\U000e0041\t",
    "__proto__",
)


def nasty_pack():
    """Hostile text wherever an entry has a text that the page shows."""
    made = Ledger()
    for text in NASTY:
        usecase = made.add("usecase", name=text, owner_group=text)
        run = made.add("run", name=text, status=text, inputs=[made.add("dataset", name=text, version=text, role=text)])
        model = made.add("model", name=text, version=text, digest=text, run=run, usecase=usecase)
        policy = made.add("odd-policy", id=text, version=text)
        check = {"id": text, "verdict": text, "value": text, "threshold": {"fail_if": text}, "n": text, "reason": text}
        evaluation = made.add(
            "evaluation",
            model=model,
            usecase=usecase,
            policy=policy,
            checks=[check],
            verdict=text,
            attempt={"usecase": 1},
        )
        made.add("decision", evaluation=evaluation, model=model, verdict=text, stage=text)
        made.add(text, **{text.replace("__proto__", "constructor"): text, "__proto__": {"verdict": text}})
    return made


def test_hostile_text_is_shown_and_nothing_of_it_runs(page):
    made = nasty_pack()
    said = verify(page, made.pack(), key=made.vkey)
    assert "✓ Verified" in said
    page.evaluate("document.querySelectorAll('.entries details').forEach((details) => { details.open = true; })")
    page.wait_for_function(
        "document.querySelectorAll('.entries pre').length === document.querySelectorAll('.entries li').length"
    )
    shown = page.inner_text("#verdict")
    assert page.locator("#verdict img, #verdict script, #verdict a").count() == 0
    assert NASTY[0] in shown
    assert NASTY[1] in shown
    assert r"safe\u202egnp.exe\u202c" in shown
    assert r"a\u200bb\u2060c\ufeffd" in shown
    assert r"\u3164blank\xa0\u2028line\u2800\U000e0041\t" in shown
    text = page.evaluate("document.getElementById('verdict').textContent")
    assert re.findall("[\u200b-\u200f\u2028-\u202e\u2060-\u2069\u3164\ufeff\u00a0]", text) == []
    assert page.evaluate("({}).verdict === undefined && window.tallystick.verify instanceof Function")


STORY = {
    "usecase": {"name": "loans"},
    "dataset": {"name": "d", "version": "1", "role": "test", "rows": 3},
    "commit": {"gitCommit": "ab", "dirty": False},
    "environment": {"python": "3", "platform": {"system": "s"}},
    "params": {"digest": "ab"},
    "constructor": {"x": 1},
    "__proto__": {"x": 1},
    "run": {
        "name": "r",
        "status": "ok",
        "inputs": ["dataset", "commit", "environment", "params", "constructor", "__proto__"],
    },
    "model": {"name": "m", "version": 1, "digest": "ab", "run": "run", "usecase": "usecase"},
    "policy-like": {"id": "p", "version": "1"},
    "evaluation": {
        "model": "model",
        "usecase": "usecase",
        "policy": "policy-like",
        "verdict": "fail",
        "attempt": {"usecase": 1, "data": 1},
        "checks": [
            {"id": "c", "verdict": "fail", "value": 1, "threshold": {"fail_if": "< 2"}, "interval": {"low": 0.5}}
        ],
        "earlier_explained": [{"text": "t", "evaluation": "evaluation"}],
    },
    "decision": {"evaluation": "evaluation", "model": "model", "verdict": "fail", "stage": "s"},
}
WRONG = (
    {},
    [],
    [[]],
    {"x": {}},
    None,
    True,
    -1,
    "constructor",
    {"attachment": "x"},
    {"absent": {}},
    {"leaf": "x", "seq": 0},
)


def test_fields_of_any_shape_break_nothing(page):
    """Each field in turn holds what it should not, and kinds have odd names; the page still says what it found."""
    made = Ledger()

    def tell(kind=None, name=None, wrong=None):
        at = {}
        for told, fields in STORY.items():
            body = json.loads(
                json.dumps(fields), object_hook=lambda found: {k: placed(v, at) for k, v in found.items()}
            )
            at[told] = made.add(told, **(body | ({name: wrong} if told == kind else {})))

    def placed(value, at):
        if isinstance(value, list):
            return [placed(part, at) for part in value]
        return at.get(value, value) if isinstance(value, str) else value

    for kind, fields in STORY.items():
        for number, name in enumerate(fields):
            for wrong in (WRONG[number % len(WRONG)], WRONG[(3 * number + len(kind)) % len(WRONG)]):
                tell(kind, name, wrong)
    said = verify(page, made.pack(), key=made.vkey)
    assert "✗ Does not verify" not in said
    assert "recorded evaluations are numbered, and some numbers are missing" in said
    assert page.locator(".way").count() == sum(json.loads(raw)["kind"] == "model" for raw in made.raws)


def test_a_hostile_file_name_and_a_hostile_filter_are_text_too(page, ledger):
    data = ledger.pack(range(6), filter={"name": NASTY[0]})
    said = verify(page, data, key=ledger.vkey, name=f"{NASTY[1]}\u202e.zip")
    assert "✓ Verified" in said
    assert NASTY[0] in said
    assert NASTY[1] + r"\u202e.zip" in said


# ------------------------------------------------------------------ agreement with `tallystick verify`


class Both:
    """The page's answer to a question, held against that of the command."""

    def __init__(self, page, folder, capsys):
        self.page, self.folder, self.capsys = page, folder, capsys

    def ask(self, data, key=KEY, *, anchors=(), consistency=(), receipt=None, require_anchor=False):
        arguments = [str(self.put("asked.pdf" if data[:4] == b"%PDF" else "asked", data)), "--key", key]
        for option, files in (
            ("anchor", anchors),
            ("consistency", consistency),
            ("receipt", [receipt] * bool(receipt)),
        ):
            for number, content in enumerate(files):
                arguments += [f"--{option}", str(self.put(f"{option}-{number}", content))]
        self.capsys.readouterr()
        code = run(["verify", *arguments, "--format", "json", *["--require-anchor"] * require_anchor])
        printed = self.capsys.readouterr().out
        mine = browser.ask(
            self.page,
            data,
            key,
            anchors=anchors,
            consistency=consistency,
            receipt=receipt,
            require_anchor=require_anchor,
        )
        assert mine["exit"] == code, (mine, printed)
        theirs = json.loads(printed) if code in (0, 3) else {}
        if theirs.get("kind"):  # it has none where the question could not be asked, such as without a key
            for name in ("kind", "integrity", "completeness", "unanchored", "key", "checkpoint", "anchor"):
                assert mine[name] == theirs[name], name
        return mine

    def put(self, name, data):
        path = self.folder / name
        path.write_bytes(data)
        return path


@pytest.fixture
def both(page, tmp_path, capsys):
    return Both(page, tmp_path, capsys)


def test_they_agree_on_everything_that_an_honest_ledger_hands_out(both):
    assert both.ask(PACK)["exit"] == 0
    assert both.ask(PACK, anchors=[KEPT])["unanchored"] == 7
    assert both.ask(PACK, require_anchor=True)["exit"] == 3
    assert both.ask(PDF, receipt=RECEIPT)["exit"] == 0
    assert both.ask(PDF)["exit"] == 3
    assert both.ask(PDF + b"\n", receipt=RECEIPT)["exit"] == 1
    assert both.ask(PDF, receipt=RECEIPT, anchors=[KEPT])["exit"] == 3
    assert both.ask(RECEIPT)["exit"] == 0
    assert both.ask(KEPT)["exit"] == 0
    assert both.ask(KEPT, anchors=[KEPT], require_anchor=True)["unanchored"] == 0
    assert both.ask(KEPT, key="")["exit"] == 3
    assert both.ask(KEPT, key="nonsense")["exit"] == 3


def test_they_agree_on_flipped_bits(both):
    """Of a pack, above all where no checksum lies over the bits: in its directory and in the manifest's envelope."""
    chance = random.Random(20261122)
    manifest = len(members(PACK)["manifest.json"])
    places = [chance.randrange(manifest + 100) for _ in range(15)]
    places += [chance.randrange(len(PACK) - 5000, len(PACK)) for _ in range(15)]
    places += [chance.randrange(len(PACK)) for _ in range(10)]
    for at in places:
        assert both.ask(flipped(PACK, at))["exit"] == 1, at
    for data, times, given in ((RECEIPT, 40, {}), (KEPT, 30, {}), (PDF, 5, {"receipt": RECEIPT})):
        for _ in range(times):
            both.ask(flipped(data, chance.randrange(len(data))), **given)


ENTRY_FLAWS = {
    "infinity": (b'"x"', b"1e400"),
    "not the shortest number": (b'"x"', b"1.0"),
    "minus zero": (b'"x"', b"-0"),
    "not UTF-8": (b'"x"', b'"\xff"'),
    "needless escape": (b'"x"', b'"\\u0078"'),
    "too deep": (b'"x"', b"[" * 31 + b"]" * 31),
    "version 0": (b'"v":1', b'"v":0'),
}


def test_they_refuse_the_same_entries(both):
    for flaw, change in ENTRY_FLAWS.items():
        made = Ledger()
        made.add("document", title="x", type="minutes", digest="ab" * 32)
        made.raws[1] = made.raws[1].replace(*change)
        assert both.ask(made.receipt(1), made.vkey)["exit"] == 1, flaw


def test_they_accept_the_same_odd_entries(both):
    for text in (b"1e+300", b"5e-324", b"[" * 30 + b"]" * 30, '"\u2028\U0001f600\x7f"'.encode(), b"9007199254740991"):
        made = Ledger()
        made.add("document", title="x", type="minutes", digest="ab" * 32)
        made.raws[1] = made.raws[1].replace(b'"x"', text)
        assert both.ask(made.pack(), made.vkey)["exit"] == 0


def test_what_a_newer_entry_says_stays_open_and_the_rest_is_judged(page):
    made = Ledger()
    made.raws.append(b'{"v":2}')
    for data in (made.pack(), made.pack([0, 1], filter={"name": "x"}), made.receipt(1)):
        answer = browser.ask(page, data, made.vkey)
        assert (answer["exit"], answer["integrity"]) == (3, "ok")
    assert "of a newer format" in verify(page, made.pack(), key=made.vkey)
    made.raws.append(b'{"v":1}')
    assert browser.ask(page, made.pack(), made.vkey)["exit"] == 1


# ------------------------------------------------------------------ what files of an attacker asked for


ONE, TWO = {"hmac_sha256": "ab" * 32}, {"sha256": "ab" * 32}
FILED = {"name": "a", "mediaType": "text/plain", "size": 1}
PARTS = (
    {"attachments": [FILED | ONE, FILED | ONE]},
    {"attachments": [FILED | ONE], "personal": [{"name": "a"} | ONE]},
    {"attachments": [FILED | ONE | TWO]},
    {"attachments": [FILED]},
    {"attachments": [FILED | {"hmac_sha256": "AB" * 32}]},
    {"attachments": [FILED | ONE | {"size": -1}]},
    {"attachments": [{"name": "a", "size": 1} | ONE]},
    {"attachments": {}},
    {"personal": [{"name": "a"} | TWO]},
    {"personal": [{"name": "a"} | ONE | TWO]},
    {"personal": [ONE]},
    {"supersedes": None},
    {"supersedes": {"seq": 0, "leaf": "ab"}},
    {"statement": "x"},
    {"idempotency_key": 1},
    {"subject": ["x"]},
    {"subject": {}},
    *(
        {name: f"2026-{at}.000000Z"}
        for name in ("recorded_at", "claimed_at")
        for at in ("13-02T10:00:00", "00-02T10:00:00")
    ),
    *({"recorded_at": f"2026-{at}.000000Z"} for at in ("11-32T10:00:00", "11-00T10:00:00", "11-02T24:00:00")),
    *({"claimed_at": f"2026-11-02T{at}.000000Z"} for at in ("10:60:00", "10:00:60")),
)


def odd(**fields):
    """A ledger whose second entry has these fields, whatever they are."""
    made = Ledger()
    made.add("document", title="x", type="minutes", digest="ab" * 32)
    made.raws[1] = canonical(json.loads(made.raws[1]) | fields)
    return made


def test_they_refuse_the_same_fields_of_entries(both):
    for fields in PARTS:
        made = odd(**fields)
        assert both.ask(made.receipt(1), made.vkey)["exit"] == 1, fields
    for fields in ({"attachments": [FILED | ONE], "personal": [{"name": "b"} | ONE]}, {"claimed_at": WHEN}):
        made = odd(**fields)
        assert both.ask(made.receipt(1), made.vkey)["exit"] == 0, fields


WHEN = "2026-02-31T23:59:59.999999Z"


@pytest.mark.parametrize(("size", "code"), [({}, 0), ({"size": 3}, 0), ({"size": 4}, 1)])
def test_a_size_beside_a_personal_value_is_that_of_the_value(both, size, code):
    salt, text = bytes(32), b'"x"'
    committed = hmac.new(salt, b"a\0" + text, "sha256").hexdigest()
    made = odd(personal=[{"name": "a", "hmac_sha256": committed} | size])
    side = {"attachments": [], "personal": [{"name": "a", "salt": b64(salt), "text": "x"}]}
    pack = made.pack(change=lambda found: found.update({"side/000000001.json": canonical(side)}))
    assert both.ask(pack, made.vkey)["exit"] == code


def test_a_proof_in_a_pack_is_held_against_every_signed_tree_of_its_size(page, ledger):
    """No anchor needs it: the leaves show the anchor, and the other tree is that of a proof that was brought along."""

    def lines(old):
        return "".join(f"{b64(line)}\n" for line in ledger.tree().growth(old, 0, 7)).encode()

    def exit(name, data, **brought):
        pack = ledger.pack(change=lambda found: found.update({f"consistency/{name}": data}))
        return browser.ask(page, pack, ledger.vkey, **brought)["exit"]

    kept = {"anchors": [ledger.checkpoint(3)]}
    assert exit(3, lines(3), **kept) == 0
    assert exit(3, lines(5), **kept) == 1
    assert exit(7, b"") == 0
    assert exit(7, lines(3)) == 1  # from a size to itself there is no hash
    older = Ledger()
    older.raws = ledger.raws[:5]
    linked = {"anchors": [ledger.checkpoint(2)], "consistency": [older.consistency(2)]}
    assert exit(5, lines(5), **linked) == 0
    assert exit(5, lines(3), **linked) == 1
    assert exit(9007199254740991, lines(3)) == 0
    for name in ("9007199254740992", "03", "0", "9" * 17):
        assert exit(name, lines(3)) == 1


def test_the_tree_of_the_receipt_of_a_report_is_one_of_them(page):
    pack = withholding().insert("consistency/5", b"", before="keys/")
    assert browser.ask(page, pack.bytes(), str(VKEY))["exit"] == 0
    world = reported(1)
    for old, code in ((5, 0), (3, 1)):
        lines = "".join(f"{b64(line)}\n" for line in world.growth(old)).encode()
        pack = withholding(later=1).insert("consistency/5", lines, before="keys/")
        assert browser.ask(page, pack.bytes(), str(VKEY))["exit"] == code, old


def test_an_index_with_the_leaf_of_another_entry_leads_nowhere(both):
    made = Ledger()
    there = made.add("document", title="x", type="minutes", digest="ab" * 32)
    made.add("note", about=there | {"seq": 0})
    made.add("document", title="y", type="minutes", digest="ab" * 32)
    assert both.ask(made.pack(), made.vkey)["exit"] == 3
    answer = both.ask(made.pack([0, 1, 2], filter={"name": "x"}), made.vkey)
    assert (answer["exit"], answer["completeness"]) == (3, "partial")


@pytest.mark.parametrize(
    ("attempts", "code"),
    [
        ([{"usecase": 1}, {"usecase": 2}], 0),
        ([{"usecase": 1}, {}], 3),
        ([{"usecase": 1}, {"usecase": 0}], 3),
        ([{"usecase": 1}, {"usecase": True}], 3),
        ([{"usecase": 1}, {"usecase": 1}], 3),
        ([{"usecase": 2}, {"usecase": 3}], 3),
        (["x", {"usecase": 1}], 3),
    ],
)
def test_an_evaluation_without_a_number_of_its_own_leaves_the_numbering_open(page, attempts, code):
    made = Ledger()
    usecase = made.add("usecase", name="loans")
    for attempt in attempts:
        made.add("evaluation", usecase=usecase, attempt=attempt)
    made.add("evaluation", usecase={"absent": "none recorded"}, attempt={})
    made.add("document", title="x", type="minutes", digest="ab" * 32)
    assert browser.ask(page, made.pack(), made.vkey)["exit"] == code
    part = browser.ask(page, made.pack(range(len(attempts) + 3), filter={"name": "x"}), made.vkey)
    assert part["completeness"] == ("partial" if code else "stated")


def test_an_evaluation_whose_use_case_is_none_has_no_number_either(page):
    made = Ledger()
    made.add("evaluation", usecase="x", attempt={"usecase": 1})
    assert browser.ask(page, made.pack(), made.vkey)["exit"] == 3


def test_what_is_no_member_of_a_pack_is_refused(both, ledger):
    for name in ("report/audit.html", "report/receipt.tlog-proof"):
        pack = ledger.pack(change=lambda found, name=name: found.update({name: ledger.receipt(1)}))
        assert both.ask(pack, ledger.vkey)["exit"] == 1, name


def test_a_report_that_a_later_one_in_the_pack_outdates_is_refused(page):
    scope = {"model": reported().ref(1), "name": "credit", "version": 7}

    def ask(of, *later):
        world = reported(scope=of)
        for other in later:
            world = world.add(
                "report", {**world.entry(4).body, "scope": other}, by=[LEDGER], subject=world.entry(4).subject
            )
        pack = withholding(world=world).bytes()
        return browser.ask(page, pack, str(VKEY))

    said = ask(scope, scope)
    assert said["exit"] == 1
    assert any(
        "entry 5 records a newer report on this model than that of entry 4" in c["detail"] for c in said["checks"]
    )
    assert ask(scope, scope | {"model": reported().ref(2)})["exit"] == 0
    assert ask({"name": "credit"}, {"name": "credit"})["exit"] == 0


def noted(made, name):
    """A checkpoint of the ledger that somebody of this name signed too."""
    return made.checkpoint() + f"— {name} {b64(bytes(68))}\n".encode()


def test_white_space_in_the_names_of_keys_is_what_unicode_says(both, ledger):
    spaces = "\t\x0b\x0c \x85\xa0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000"
    for letter in (*spaces, "\x1c", "\x1f", "+"):
        assert both.ask(noted(ledger, f"a{letter}b"), ledger.vkey)["exit"] == 1, ascii(letter)
    for letter in "\ufeff\u180e\u200b\x7f":
        assert both.ask(noted(ledger, f"a{letter}b"), ledger.vkey)["exit"] == 0, ascii(letter)
        other = Ledger(f"ev{letter}il.example/0d6ff4a5-3c6a-4d0c-8a6e-111111111111")
        assert both.ask(other.pack(), other.vkey)["exit"] == 0, ascii(letter)


def test_a_name_that_begins_with_a_mark_of_byte_order_keeps_it(page):
    made = Ledger("\ufeffevil.example/0d6ff4a5-3c6a-4d0c-8a6e-111111111111")
    assert browser.ask(page, made.pack(), made.vkey)["exit"] == 0


def stated(change=lambda said: None, envelope=lambda found: None, subject=None):
    """A pack with a policy whose statement was changed before it was signed again, or its envelope after that."""
    world = World().genesis().people()
    entry = json.loads(world.policy().raws[-1])
    said = json.loads(base64.b64decode(entry["statement"]["payload"]))
    if subject is not None:
        entry["subject"] = said["subject"] = subject
        said["predicate"]["tallystick"]["content"] = {"sha256": digest(Entry.parse(encode(entry)).content())}
    change(said["predicate"]["tallystick"])
    payload, kind = encode(said), entry["statement"]["payloadType"]
    line = {"keyid": "x", "sig": b64(OFFICER.sign(pae(kind, payload)))}
    entry["statement"] = {"payload": b64(payload), "payloadType": kind, "signatures": [line]}
    envelope(entry["statement"])
    return Draftpack.of(world.put(encode(entry))).bytes()


def url_safe(found, words=(("+", "-"), ("/", "_"))):
    for at, name in ((found, "payload"), (found["signatures"][0], "sig")):
        for old, new in words:
            at[name] = at[name].replace(old, new)


GOOD_ENVELOPES = {
    "as it is": lambda found: None,
    "one field more": lambda found: found.update(more=1),
    "one field more of a signature": lambda found: found["signatures"][0].update(more=1),
    "no keyid": lambda found: found["signatures"][0].pop("keyid"),
    "another signature": lambda found: found["signatures"].insert(0, {"keyid": "y", "sig": b64(bytes(64))}),
    "the other alphabet": url_safe,
}
BAD_ENVELOPES = {
    "keyid is a number": lambda found: found["signatures"][0].update(keyid=1),
    "keyid is null": lambda found: found["signatures"][0].update(keyid=None),
    "no sig": lambda found: found["signatures"][0].pop("sig"),
    "no signature": lambda found: found["signatures"].clear(),
    "a signature is a text": lambda found: found["signatures"].append("x"),
    "both alphabets": lambda found: found["signatures"].append({"sig": "+_+_"}),
}


def test_what_an_envelope_of_a_statement_has_beside_is_passed_over(both):
    for code, envelopes in enumerate((GOOD_ENVELOPES, BAD_ENVELOPES)):
        for name, envelope in envelopes.items():
            assert both.ask(stated(envelope=envelope), str(VKEY))["exit"] == code, name


GOOD_BINDINGS = ({}, {"speaks_of": "ab" * 32}, {"stage": "x", "more": 1})
BAD_BINDINGS = (
    *({name: None} for name in ("ledger", "kind", "signer", "nonce", "signed_at", "content")),
    {"nonce": 1}, {"nonce": ""}, {"signed_at": "x"}, {"speaks_of": "ab"}, {"speaks_of": 0}, {"stage": 1}, {"stage": ""},
    {"content": {}}, {"content": "x"},
)  # fmt: skip


def test_the_binding_of_a_statement_is_whole(both):
    for code, bindings in enumerate((GOOD_BINDINGS, BAD_BINDINGS)):
        for fields in bindings:
            pack = stated(lambda said, fields=fields: said.update(fields))
            assert both.ask(pack, str(VKEY))["exit"] == code, fields
    for name in ("speaks_of", "stage"):
        pack = stated(lambda said, name=name: said.pop(name))
        assert browser.ask(both.page, pack, str(VKEY))["exit"] == 1, name
    pack = stated(lambda said: said.update(signed_at="2027-03-32T09:00:00.000000Z"))
    assert browser.ask(both.page, pack, str(VKEY))["exit"] == 1


@pytest.mark.parametrize("subject", [[{"name": "x"}], [{"name": "x", "digest": {}}]])
def test_what_is_signed_has_a_digest_in_every_subject(both, subject):
    assert both.ask(stated(subject=subject), str(VKEY))["exit"] == 1


def test_a_place_without_an_entry_lies_in_the_tree(both, ledger):
    bare = ledger._proof(6, ledger.tree(), ledger.checkpoint())
    for index, code in ((b"6", 3), (b"7", 1), (b"9007199254740991", 1), (b"9007199254740992", 1), (b"06", 1)):
        data = b"c2sp.org/tlog-proof@v1\n" + bare.replace(b"index 6\n", b"index " + index + b"\n")
        assert both.ask(data, ledger.vkey)["exit"] == code, index


def test_keys_in_a_pack_are_of_the_two_kinds_that_sign(both, ledger):
    """Each is the PEM of its fingerprint, but for the last two a key that nobody can have, or of another kind."""
    ed25519, p256 = bytes.fromhex("302a300506032b6570032100"), ENGINEER.public.spki
    good = {"Ed25519": LEDGER.public.spki, "P-256": p256}
    bad = {
        "another curve": ec.generate_private_key(ec.SECP384R1()).public_key(),
        "small order": ed25519 + bytes(32),
        "not canonical": ed25519 + b"\xff" * 31 + b"\x7f",
        "not on the curve": ed25519 + b"\x02" + bytes(31),
        "not on P-256": p256[:-1] + bytes([p256[-1] ^ 1]),
        "beyond P-256": p256[:27] + b"\xff" * 64,
        "one byte more": p256 + b"\0",
        "one byte less": p256[:-1],
        "nothing": b"",
    }
    bad["another curve"] = bad["another curve"].public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def ask(spki, width=64):
        text = b64(spki)
        lines = "".join(f"{text[at : at + width]}\n" for at in range(0, len(text), width))
        pem = f"-----BEGIN PUBLIC KEY-----\n{lines}-----END PUBLIC KEY-----\n".encode()
        name = f"keys/{hashlib.sha256(spki).hexdigest()}.pem"
        return both.ask(ledger.pack(change=lambda found: found.update({name: pem})), ledger.vkey)["exit"]

    assert {name: ask(spki) for name, spki in good.items()} == dict.fromkeys(good, 0)
    assert {name: ask(spki) for name, spki in bad.items()} == dict.fromkeys(bad, 1)
    assert {name: ask(spki, 76) for name, spki in good.items()} == {"Ed25519": 0, "P-256": 1}


def test_the_proofs_of_a_pack_carry_its_own_checkpoint(both, ledger):
    def cosigned(found):
        found["proofs/000000001.tlog-proof"] += f"— other.example {b64(bytes(68))}\n".encode()

    assert both.ask(ledger.pack(change=cosigned), ledger.vkey)["exit"] == 1


# ------------------------------------------------------------------ what only the page says so far


SMALL_ORDER = (
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
)


def test_a_key_with_which_almost_anything_verifies_is_refused(both):
    """Of small order, or not canonical; the signature is the point and zero, which some programs take for good."""
    name = "evil.example/0d6ff4a5-3c6a-4d0c-8a6e-111111111111"
    for public in SMALL_ORDER:
        typed = b"\1" + bytes.fromhex(public)
        identity = hashlib.sha256(name.encode() + b"\n" + typed).digest()[:4]
        key = f"{name}+{identity.hex()}+{base64.b64encode(typed).decode()}"
        sig = base64.b64encode(identity + typed[1:] + bytes(32)).decode()
        note = f"{name}\n0\n{base64.b64encode(hashlib.sha256().digest()).decode()}\n\n— {name} {sig}\n".encode()
        assert both.ask(note, key)["exit"] == 3


SEED = "the auditor's own words"


def sampled(made, *, seed=SEED, **change):
    """Two of the ledger's alerts in entries 2 to 7, with the entries around them."""
    alerts = [seq for seq in range(2, 8) if json.loads(made.raws[seq])["kind"] == "alert"]
    leaves = {seq: bytes.fromhex(made.reference(seq)["leaf"]) for seq in alerts}
    ranked = sorted(alerts, key=lambda seq: hashlib.sha256(seed.encode() + b"\0" + leaves[seq]).digest())
    told = {"name": "sample", "kind": "alert", "first": 2, "last": 7, "population": len(alerts), "seed": seed}
    told |= {"from": "2026-11-02T10:00:02.000000Z", "until": "2026-11-02T10:00:08.000000Z"}
    return made.pack(range(9), filter=told | {"drawn": sorted(ranked[:2]), "told": []} | change)


def alerts(count, *, lost=None):
    """A ledger of documents and alerts; one names an entry that was never there."""
    made = Ledger()
    for seq in range(1, count):
        more = {"names": {"leaf": "ab" * 32, "seq": 1}} if seq == lost else {}
        made.add("document" if seq % 2 else "alert", source="x", alert=more)
    return made


def test_a_sample_says_in_its_one_form_what_it_was_drawn_from(both):
    made = alerts(12)
    good = both.ask(sampled(made), made.vkey)
    assert (good["exit"], good["completeness"]) == (0, "stated")
    for flaw in (
        {"seed": ""},
        {"seed": "x" * 201},
        {"seed": "a\nb"},
        {"seed": "a\x85b"},
        {"seed": "a\u2028b"},
        {"population": 0, "drawn": []},
        {"drawn": []},
        {"from": "2026-11-02T10:00:02.000000Z", "until": "2026-13-02T10:00:08.000000Z"},
        {"told": [7, 3]},
        {"told": [9]},
        {"told": [0]},
        {"more": 1},
        {"first": 3},
        {"until": "2026-11-02T10:00:09.000000Z"},
    ):
        assert both.ask(sampled(made, **flaw), made.vkey)["exit"] == 1, flaw


def test_a_sample_that_no_checkpoint_from_elsewhere_covers_may_have_been_steered(page):
    made = alerts(12)
    for size, steered in ((None, True), (5, True), (7, True), (8, False), (12, False)):
        kept = [] if size is None else [made.checkpoint(size)]
        grown = [made.consistency(size)] if size and size < 12 else []
        said = browser.ask(page, sampled(made), made.vkey, anchors=kept, consistency=grown)
        assert said["exit"] == 0
        assert any(line.startswith("That the draw was not steered:") for line in said["not_proven"]) == steered, size


@pytest.mark.parametrize("seed", ["x" * 200, "\U0001f600" * 200, "\u0378 \xad\u200b\ue000"])
def test_a_seed_is_any_text_of_200_characters_that_breaks_no_line(both, seed):
    made = alerts(12)
    assert both.ask(sampled(made, seed=seed), made.vkey)["exit"] == 0


def test_what_a_sample_does_not_tell_of_may_name_what_is_not_here(page):
    for lost in (1, 3):
        made = alerts(12, lost=lost)
        assert browser.ask(page, sampled(made), made.vkey)["exit"] == 0
        told = browser.ask(page, sampled(made, told=[lost]), made.vkey)
        assert (told["exit"], told["completeness"]) == (3, "partial")
    made = alerts(12, lost=9)
    assert browser.ask(page, made.pack(), made.vkey)["exit"] == 3


def test_a_history_that_forks_from_the_entries_here_is_found_without_its_anchor(page, ledger):
    """The checkpoint that was kept is older than the fork; the proof brought along ends in the other history."""
    other = Ledger()
    for title in ("Made", "anew"):
        other.add("document", title=title, type="minutes", digest="ab" * 32)
    asked = {"anchors": [ledger.checkpoint(1)], "consistency": [other.consistency(1)]}
    assert browser.ask(page, ledger.pack(), ledger.vkey, **asked)["exit"] == 1


def test_the_first_entry_in_a_receipt_names_this_ledger_too(page):
    made = Ledger()
    assert browser.ask(page, made.receipt(0), made.vkey)["exit"] == 0
    made.raws[0] = made.raws[0].replace(b'"origin":"evil', b'"origin":"good')
    assert browser.ask(page, made.receipt(0), made.vkey)["exit"] == 1


def test_an_entry_that_has_to_be_signed_is(page):
    made = Ledger()
    made.add("approval", decision=made.reference(0), verdict="approved")
    answer = browser.ask(page, made.pack(), made.vkey)
    assert (answer["exit"], "has to be signed" in str(answer["checks"])) == (1, True)


def test_the_runner_speaks_the_command_line_of_the_conformance_suite(capsys, page, monkeypatch):
    monkeypatch.setattr(browser, "open_page", lambda: contextlib.nullcontext(page))  # one browser is enough
    key = ["--key", str(GOLDEN / "ledger.vkey")]
    kept = ["--anchor", str(GOLDEN / "kept.checkpoint"), "--require-anchor"]
    assert browser.main([str(GOLDEN / "evidence.zip"), *key, *kept, "--format", "json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert {"kind", "integrity", "completeness", "unanchored", "checks", "not_proven", "key"} <= printed.keys()
    assert "exit" not in printed
    assert browser.main([str(GOLDEN / "audit.pdf"), *key]) == 0
    assert browser.main([str(GOLDEN / "evidence.zip")]) == 3
    assert browser.main([str(GOLDEN / "nowhere.zip"), *key]) == 3
    with pytest.raises(SystemExit, match="2"):
        browser.main([])
