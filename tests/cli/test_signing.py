"""Time stamps, certificates of an authority, and what an auditor makes of them: by the command line."""

import contextlib
import http.server
import io
import json
import shutil
import subprocess
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import _outside as outside
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from pyhanko.pdf_utils.reader import PdfFileReader

from _authority import START, authority, stamping, usage
from tallystick.proof.pdf import inspect
from tallystick.report import view
from tallystick.report.evidence import opened
from tallystick.workflow import issue
from tallystick.workflow.desk import Desk

KEY = ("--key", ".tallystick/ledger.vkey")
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
pytestmark = needs_openssl


@pytest.fixture
def tsa():
    return stamping()


@pytest.fixture
def auditor(bank):
    """The command line, whose ledger is looked at from outside when the test is over."""
    yield bank
    outside.check(bank.ledger)


def entries(bank, kind: str) -> list:
    return json.loads(bank.ok("log", "--kind", kind, "--format", "json"))


def verdict(bank, *words) -> tuple[int, dict]:
    code, out, err = bank("verify", *words, *KEY, "--format", "json")
    assert out, err
    return code, json.loads(out)


def told(found: dict, name: str) -> list[tuple[str, str]]:
    return [(check["outcome"], check["detail"]) for check in found["checks"] if check["name"] == name]


def valid_for_openssl(tsa, data: Path, answer: Path) -> bool:
    words = ["openssl", "ts", "-verify", "-in", answer, "-data", data, "-CAfile", tsa.roots]
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    return "Verification: OK" in done.stdout


# ------------------------------------------------------------------ checkpoints


def test_a_checkpoint_is_stamped_recorded_and_verified_also_by_openssl(auditor, tsa):
    out = auditor.ok("ledger", "timestamp", "--tsa-command", tsa.command, "-o", "kept")
    assert "Time of the test" in out
    assert valid_for_openssl(tsa, Path("kept"), Path("kept.tsr"))
    (entry,) = entries(auditor, "checkpoint-witnessed")
    assert entry["body"]["checkpoint"]["note"].encode() == Path("kept").read_bytes()
    code, found = verdict(auditor, "kept", "--tsa", tsa.roots)
    assert (code, found["integrity"], found["time"]) == (0, "ok", "ok")
    assert abs(datetime.fromisoformat(found["existed_at"]) - datetime.now(UTC)) < timedelta(minutes=5)
    ((_, detail),) = told(found, "time")
    assert "proven to exist at" in detail
    assert "time          ok: proven to exist at" in auditor.ok("verify", "kept", *KEY, "--tsa", tsa.roots)


def test_without_an_authority_to_trust_a_time_stamp_is_named_and_not_judged(auditor, tsa):
    auditor.ok("ledger", "timestamp", "--tsa-command", tsa.command, "-o", "kept")
    code, found = verdict(auditor, "kept")
    assert (code, found["time"], found["existed_at"]) == (0, "not asked", None)
    assert any("--tsa" in line for line in found["not_proven"])


def test_a_time_stamp_by_another_authority_is_unknown(auditor, tsa):
    auditor.ok("ledger", "timestamp", "--tsa-command", tsa.command, "-o", "kept")
    Path("other.pem").write_bytes(authority("Another root").pem)
    code, found = verdict(auditor, "kept", "--tsa", "other.pem")
    assert (code, found["integrity"], found["time"]) == (3, "ok", "unknown")


def test_a_time_stamp_of_another_checkpoint_fails(auditor, tsa):
    auditor.ok("ledger", "timestamp", "--tsa-command", tsa.command, "-o", "kept")
    auditor.ok("ledger", "checkpoint", "-o", "newer")
    shutil.copy("kept.tsr", "newer.tsr")
    code, found = verdict(auditor, "newer", "--tsa", tsa.roots)
    assert (code, found["integrity"], found["time"]) == (1, "ok", "failed")
    assert "over something else" in told(found, "time")[0][1]
    assert not valid_for_openssl(tsa, Path("newer"), Path("newer.tsr"))


def test_where_time_was_asked_and_nothing_is_stamped_the_answer_is_not_yes(auditor, tsa):
    auditor.ok("ledger", "checkpoint", "-o", "bare")
    code, found = verdict(auditor, "bare", "--tsa", tsa.roots)
    assert (code, found["time"]) == (3, "unknown")


@pytest.mark.parametrize("everything", [(), ("--all",)])
def test_a_pack_carries_the_stamps_that_cover_its_entries(auditor, tsa, everything):
    auditor.ok("ledger", "timestamp", "--tsa-command", tsa.command)
    auditor.ok("record", "document", "m1.bin", "--title", "later", "--as", "engineer")
    auditor.ok("ledger", "timestamp", "--tsa-command", tsa.command)
    auditor.ok("pack", "credit@2", "-o", "evidence.zip", *everything)
    code, found = verdict(auditor, "evidence.zip", "--tsa", tsa.roots)
    assert (code, found["integrity"], found["time"]) == (0, "ok", "ok")
    assert len(told(found, "time")) == (2 if everything else 1)
    assert found["not_proven"].count("Recorded times are the ledger's claim: no outside timestamp was checked.") == 0
    assert verdict(auditor, "evidence.zip")[1]["time"] == "not asked"


def test_an_authority_that_refuses_or_is_not_there_changes_nothing(auditor, tsa):
    before = auditor.ok("log", "--format", "json")
    for command in ("false {request} {response}", "no-such-program {request} {response}", "true {request} {response}"):
        code, _, err = auditor("ledger", "timestamp", "--tsa-command", command)
        assert code == 3, err
    assert auditor("ledger", "timestamp", "--tsa-command", "openssl ts")[0] == 3
    assert auditor("ledger", "timestamp")[0] == 2
    assert auditor.ok("log", "--format", "json") == before


def test_an_answer_to_another_question_is_refused(auditor, tsa):
    """A stamp that somebody kept from before: over the same bytes, but not asked for now."""
    auditor.ok("ledger", "checkpoint", "-o", "note")
    Path("old.tsr").write_bytes(tsa.stamp(Path("note").read_bytes()))
    Path("replay.sh").write_text('cp old.tsr "$2"\n')
    code, _, err = auditor("ledger", "timestamp", "--tsa-command", "sh replay.sh {request} {response}")
    assert code == 3
    assert "something else than was asked" in err


# ------------------------------------------------------------------ over the network


class _Server(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        if self.path == "/moved":
            self.send_response(307)
            self.send_header("Location", "/")
            self.end_headers()
            return
        self.server.asked.append(self.headers["Content-Type"])
        body = self.server.tsa.answer(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.startswith("/dripping"):
            self.drip(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n" + b"\r\n" * self.path.endswith("body"))
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html" if self.path == "/page" else "application/timestamp-reply")
        self.end_headers()
        self.wfile.write(body + b"\0" * (100_000 if self.path == "/long" else 0))

    def drip(self, begins: bytes):
        """An answer without end, a byte at a time, until the asker hangs up."""
        with contextlib.suppress(OSError):
            self.wfile.write(begins)
            while not self.server.done.wait(0.05):
                self.wfile.write(b"a")

    def log_message(self, *_):
        """Nothing on stderr."""


@pytest.fixture
def served(tsa):
    server = http.server.HTTPServer(("127.0.0.1", 0), _Server)
    server.tsa, server.asked, server.done = tsa, [], threading.Event()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.done.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_authority_is_asked_by_http_where_the_settings_name_it(auditor, served, tsa):
    Path("tallystick.toml").write_text(f'tsa = "http://127.0.0.1:{served.server_port}/"\n')
    auditor.ok("ledger", "timestamp", "-o", "kept")
    assert served.asked == ["application/timestamp-query"]
    assert verdict(auditor, "kept", "--tsa", tsa.roots)[1]["time"] == "ok"


@pytest.mark.parametrize("path", ["moved", "page", "long"])
def test_redirects_other_answers_and_long_ones_are_refused(auditor, served, path):
    code, _, err = auditor("ledger", "timestamp", "--tsa", f"http://127.0.0.1:{served.server_port}/{path}")
    assert code == 3, err
    assert entries(auditor, "checkpoint-witnessed") == []


@pytest.mark.parametrize("path", ["dripping-head", "dripping-body"])
def test_an_answer_that_drips_is_cut_off(auditor, served, path, monkeypatch):
    """Each byte comes in time; the whole never does."""
    monkeypatch.setattr("tallystick.workflow.stamping._SECONDS", 0.5)
    code, _, err = auditor("ledger", "timestamp", "--tsa", f"http://127.0.0.1:{served.server_port}/{path}")
    assert code == 3
    assert "no whole answer within" in err
    assert entries(auditor, "checkpoint-witnessed") == []


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://host/", "https://", "https://ada:secret@host/", "http://host:x/"]
)
def test_only_http_addresses_without_a_password_are_asked(auditor, url):
    code, _, err = auditor("ledger", "timestamp", "--tsa", url)
    assert code == 3
    assert "secret" not in err


def test_a_program_is_not_taken_from_a_file_that_anybody_may_have_put_there(auditor):
    Path("tallystick.toml").write_text('tsa_command = "sh evil.sh {request} {response}"\n')
    code, _, err = auditor("ledger", "timestamp")
    assert code == 3
    assert "TALLYSTICK_TSA_COMMAND" in err
    Path("tallystick.toml").unlink()


# ------------------------------------------------------------------ reports


@pytest.fixture
def report(auditor, tsa):
    def write(*words) -> dict:
        auditor.ok("report", "credit@2", "-o", "audit.pdf", "--force", "--tsa-command", tsa.command, *words)
        return inspect(Path("audit.pdf").read_bytes())

    return write


def test_a_report_is_stamped_and_its_pack_carries_the_stamp(auditor, tsa, report):
    facts = report("--level", "b-t")
    assert [stamp.over for stamp in facts.stamps] == ["signature"]
    code, found = verdict(auditor, "audit.pdf", "--tsa", tsa.roots)
    assert (code, found["integrity"], found["time"]) == (0, "ok", "ok")
    code, found = verdict(auditor, "audit.pdf")
    assert (code, found["time"]) == (0, "not asked")
    assert sum("--tsa" in line for line in found["not_proven"]) == 1
    auditor.ok("pack", "credit@2", "-o", "evidence.zip")
    code, found = verdict(auditor, "evidence.zip", "--tsa", tsa.roots)
    assert (code, found["time"], told(found, "report time")[0][0]) == (0, "ok", "ok")


def test_a_stamped_report_asks_nobody_unless_it_is_told_to(auditor, bank):
    code, _, err = bank("report", "credit@2", "-o", "audit.pdf", "--level", "b-t")
    assert code == 2
    assert "no time-stamping authority" in err
    assert not Path("audit.pdf").exists()
    assert entries(bank, "report") == []


# ------------------------------------------------------------------ the certificate of an authority


def certified(request: Path, root, *extensions, **more) -> x509.Certificate:
    asked = x509.load_pem_x509_csr(request.read_bytes())
    assert asked.is_signature_valid
    given = extensions or ((usage("digital_signature", "content_commitment"), True),)
    return root.certify(asked.public_key(), "Bank of the test", *given, **more)


def put(name: str, *found) -> Path:
    Path(name).write_bytes(b"".join(item.public_bytes(Encoding.PEM) for item in found))
    return Path(name)


@pytest.fixture
def asked(auditor) -> Path:
    auditor.ok("key", "certificate", "--request", "-o", "seal.csr", "--organisation", "Bank of the test")
    return Path("seal.csr")


def test_the_seal_says_what_it_is_worth(auditor):
    out = auditor.ok("key", "certificate")
    assert "Integrity seal; identity not verified; not a qualified signature." in out
    auditor.ok("key", "certificate", "--self-made")
    assert len([e for e in entries(auditor, "key") if e["body"]["purpose"] == "report-seal"]) == 2


def _eku(oid):
    return (x509.ExtendedKeyUsage([oid]), False)


@pytest.mark.parametrize(
    ("extensions", "more", "message"),
    [
        (((x509.BasicConstraints(True, None), True),), {}, "that of an authority"),
        (((usage("key_encipherment"), True),), {}, "may not sign"),
        ((_eku(ExtendedKeyUsageOID.SERVER_AUTH),), {}, "may not sign documents"),
        ((), {"end": START + timedelta(days=1)}, "not valid now"),
        ((), {"start": START + timedelta(days=100)}, "not valid now"),
    ],
)
def test_a_certificate_that_would_not_do_is_refused(auditor, asked, extensions, more, message):
    before = entries(auditor, "key")
    put("seal.pem", certified(asked, authority(), *extensions, **more))
    put("ca.pem", authority().certificate)
    code, _, err = auditor("key", "certificate", "--install", "seal.pem", "--chain", "ca.pem")
    assert code == 1
    assert message in err
    assert entries(auditor, "key") == before


def test_a_certificate_for_another_key_or_of_a_weak_or_another_authority_is_refused(auditor, asked):
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    weak = authority("Weak root", "rsa", 2048)
    for found, root, message in (
        (authority().certify(other, "x"), authority(), "another key"),
        (certified(asked, weak), weak, "does not lead"),
        (certified(asked, authority()), authority("Another root"), "does not lead"),
    ):
        put("seal.pem", found)
        put("ca.pem", root.certificate)
        code, _, err = auditor("key", "certificate", "--install", "seal.pem", "--chain", "ca.pem")
        assert code == 1
        assert message in err


def crl(found, at: datetime) -> str:
    """A file with the authority and a list of what it revoked."""
    der = authority().revoke(found, at)
    Path("list.crl").write_bytes(der)
    text = x509.load_der_x509_crl(der).public_bytes(Encoding.PEM)
    Path("ca-and-list.pem").write_bytes(authority().pem + text)
    return "ca-and-list.pem"


def identity(bank, *words) -> tuple[int, str, str]:
    code, found = verdict(bank, "audit.pdf", *words)
    assert found["integrity"] == "ok"
    ((outcome, detail),) = told(found, "identity")
    return code, outcome, detail


def test_a_report_says_who_certified_its_seal_and_is_traced_as_before(auditor, asked):
    auditor.ok("report", "credit@2", "-o", "before.pdf")
    put("seal.pem", certified(asked, authority()))
    put("ca.pem", authority().certificate)
    auditor.ok("key", "certificate", "--install", "seal.pem", "--chain", "ca.pem")
    auditor.ok("report", "credit@2", "-o", "audit.pdf")
    seals = [
        fact["text"]
        for name in ("before.pdf", "audit.pdf")
        for fact in json.loads(inspect(Path(name).read_bytes()).attachments["evidence.json"])["facts"]
        if fact["label"] == "The seal"
    ]
    assert seals == [
        "Integrity seal; identity not verified; not a qualified signature.",
        "Sealed with a certificate that CN=Root of the test issued; whether you trust that authority is asked with "
        "verify --ca; not a qualified signature.",
    ]
    (signature,) = PdfFileReader(io.BytesIO(Path("audit.pdf").read_bytes())).embedded_signatures
    assert signature.sig_object["/Reason"] == "Report seal; not a qualified signature"
    for name in ("before.pdf", "audit.pdf"):
        auditor.ok("report", "trace", name, *KEY)


def test_a_report_that_names_another_authority_for_its_seal_than_its_certificate_is_no_report(auditor, asked):
    with Desk.open(auditor.ledger, keys=Path(".tallystick/keys"), writing=True) as desk:
        drawn = issue.draw(desk, ("credit", 2))
        named = view.again(
            replace(opened(view.evidence(drawn.view)), given=replace(drawn.view.given, seal_issuer="CN=X"))
        )
        Path("audit.pdf").write_bytes(issue.seal(desk, replace(drawn, view=named)).pdf)
    code, out, _ = auditor("report", "trace", "audit.pdf", *KEY)
    assert code == 1
    assert "names another authority for its seal" in out


def test_a_report_for_the_years_is_sealed_with_the_certificate_of_an_authority(auditor, asked, report, tsa):
    found = certified(asked, authority())
    put("seal.pem", found)
    put("ca.pem", authority().certificate)
    out = auditor.ok("key", "certificate", "--install", "seal.pem", "--chain", "ca.pem")
    assert "CN=Root of the test" in out
    crl(authority().certificate, datetime.now(UTC))
    facts = report("--level", "b-lta", "--crl", "list.crl")
    assert [stamp.over for stamp in facts.stamps] == ["signature", "file"]
    assert facts.revocations == (Path("list.crl").read_bytes(),)

    code, outcome, detail = identity(auditor, "--ca", "ca.pem", "--tsa", tsa.roots)
    assert (code, outcome) == (0, "ok")
    assert "Bank of the test" in detail
    assert "CN=Root of the test, at the proven time" in detail
    put("other.pem", authority("Another root").certificate)
    assert identity(auditor, "--ca", "other.pem")[:2] == (3, "unknown")
    code, plain = verdict(auditor, "audit.pdf")
    assert code == 0
    assert any("identity not verified" in line for line in plain["not_proven"])
    assert any("(--tsa)" in line for line in plain["not_proven"])

    early, late = (crl(found, datetime.now(UTC) + timedelta(days=days)) for days in (-1, 1))
    assert early == late
    assert identity(auditor, "--ca", late, "--tsa", tsa.roots)[:2] == (0, "ok")
    code, outcome, detail = identity(auditor, "--ca", late)
    assert (code, outcome) == (1, "failed")
    assert "no time stamp shows" in detail
    crl(found, datetime.now(UTC) - timedelta(days=1))
    code, outcome, detail = identity(auditor, "--ca", early, "--tsa", tsa.roots)
    assert (code, outcome) == (1, "failed")
    assert "was revoked at" in detail
    if shutil.which("pdfsig"):
        done = subprocess.run(["pdfsig", "-nocert", "audit.pdf"], capture_output=True, text=True)
        assert "Signature is Valid." in done.stdout
        assert "- Total document signed" in done.stdout.split("Signature #")[-1]
