"""``report trace``: an auditor's answer to "where does this number come from?", also where somebody cheated."""

import base64
import json
import re
import shutil
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO

import _outside as outside
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tallystick import signing
from tallystick.canonical import b64, digest, encode, leaf_hash
from tallystick.errors import Tampered
from tallystick.proof.pdf import check_only_sealed, inspect
from tallystick.report import render, seal, view
from tallystick.report.evidence import Control
from tallystick.report.facts import Table
from tallystick.workflow import issue
from tallystick.workflow.desk import Desk

KEY = "ledger.vkey"


@pytest.fixture(scope="session")
def written(prepared, tmp_path_factory):
    """The prepared folder with a report in it, written once."""
    from tallystick.cli.main import run

    folder = tmp_path_factory.mktemp("reported") / "bank"
    shutil.copytree(prepared, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert run(["report", "credit@2", "-o", "audit.pdf"]) == 0
    return folder


@pytest.fixture
def reported(written, bank):
    """The bank, with that report and the ledger that recorded it."""
    shutil.copytree(written, bank.folder, dirs_exist_ok=True)
    shutil.copy(bank.ledger.parent / "ledger.vkey", bank.folder / KEY)
    return bank


@contextmanager
def desk(bank):
    with Desk.open(bank.ledger, keys=bank.ledger.parent / "keys", writing=True) as found:
        yield found


def altered(found, old, new):
    """The view with a text replaced in its tables."""
    sections = []
    for section in found.sections:
        blocks = [
            replace(b, rows=tuple(replace(r, cells=tuple(c.replace(old, new) for c in r.cells)) for r in b.rows))
            if isinstance(b, Table)
            else b
            for b in section.blocks
        ]
        sections.append(replace(section, blocks=tuple(blocks)))
    assert tuple(sections) != found.sections
    return replace(found, sections=tuple(sections))


def value_of(bank):
    """A value that the report prints of a bias check."""
    facts = json.loads(inspect((bank.folder / "audit.pdf").read_bytes()).attachments["evidence.json"])["facts"]
    row = next(f for f in facts if f["label"].endswith("demographic_parity_ratio") and f["text"].startswith("Verdict"))
    return row["id"], row["text"].split("Value: ")[1].split(";")[0]


# --------------------------------------------------------------------------- an honest report


def test_every_number_of_a_report_is_derived_again(reported):
    code, out, _ = reported("report", "trace", "audit.pdf", "--key", KEY)
    assert code == 0, out
    assert "only the seal was appended" in " ".join(out.split())
    assert "entry 8" in out
    found = json.loads(reported.ok("report", "trace", "audit.pdf", "--key", KEY, "--format", "json"))
    assert found["facts"] == found["rederived"] > 100
    assert {check["name"]: check["outcome"] for check in found["checks"]} == dict.fromkeys(
        ("issue", "pdf", "evidence", "wording", "checkpoint", "facts", "pages"), "ok"
    )
    assert len(found["numbers"]) > 100
    outside.check(reported.ledger)


def test_without_a_key_the_numbers_follow_and_the_issue_stays_open(reported):
    out = reported.ok("report", "trace", "audit.pdf")
    assert "no key was given" in out
    assert "issue" not in out.split("facts  ")[0]


def test_a_number_is_listed_with_the_fields_in_which_it_stands(reported):
    id, number = value_of(reported)
    out = reported.ok("report", "trace", "audit.pdf", "--number", number)
    assert f"{number}  {id}" in out
    assert "checks[" in out
    assert "].value" in out
    out = reported.ok("report", "trace", "audit.pdf", "--fact", id)
    assert f"{number}  {id}" in out
    code, out, _ = reported("report", "trace", "audit.pdf", "--number", "0.123456")
    assert code == 1
    assert "FAILED  no such number" in out


def test_with_a_key_and_without_the_receipt_the_issue_is_not_found_out(reported):
    (reported.folder / "audit.pdf.tlog-proof").unlink()
    code, out, _ = reported("report", "trace", "audit.pdf", "--key", KEY)
    assert code == 3
    assert "unknown  issue" in out


def test_a_report_drawn_by_other_programs_is_not_called_false(reported, monkeypatch):
    monkeypatch.setattr(render, "_specimen", lambda: "0" * 64)
    real = render.pdf
    monkeypatch.setattr(render, "pdf", lambda *a, **k: real(*a, **k) + b"x")
    code, out, _ = reported("report", "trace", "audit.pdf", "--key", KEY)
    assert code == 3
    assert "not compared: drawn with other programs than here" in " ".join(out.split())


def test_other_files_are_not_traced(reported):
    assert reported("report", "trace", "usecase.yaml")[0] == 3
    assert reported("report", "trace", "nowhere.pdf")[0] == 3
    (reported.folder / "cut.pdf").write_bytes((reported.folder / "audit.pdf").read_bytes()[:-100])
    assert reported("report", "trace", "cut.pdf")[0] == 1


def test_the_word_write_may_be_left_out(reported):
    assert "Usage: tallystick report" in reported.ok("report", "--help")
    assert "Usage: tallystick report write" in reported.ok("report", "write", "--help")
    code, _, err = reported("report", "-o", "b.pdf", "credit@9")
    assert (code, "no such model version" in err) == (3, True)
    assert reported("report", "write", "trace", "-o", "b.pdf")[0] == 3, "a model may be called trace"


# --------------------------------------------------------------------------- reports that lie


def test_a_digit_changed_before_the_real_seal_is_named_though_the_report_verifies(reported):
    """Whoever holds the keys draws another number, seals it and records its issue."""
    id, number = value_of(reported)
    with desk(reported) as there:
        drawn = issue.draw(there, ("credit", 2))
        lie = altered(drawn.view, number, "0.9")
        lie = replace(lie, evidence_sha256=digest(view.evidence(lie)))
        done = issue.seal(there, replace(drawn, view=lie))
    (reported.folder / "lie.pdf").write_bytes(done.pdf)
    (reported.folder / "lie.pdf.tlog-proof").write_bytes(done.receipt)
    assert reported("verify", "lie.pdf", "--key", KEY)[0] == 0
    code, out, _ = reported("report", "trace", "lie.pdf", "--key", KEY)
    assert code == 1
    told = " ".join(out.split())
    assert f"{id} (" in told
    assert f"the evidence gives 'Verdict: fail; Value: {number}" in told or number in told
    outside.check(reported.ledger)


def sealed(bank, found, evidence, *, moment, stranger=False, before=None):
    """A report drawn and sealed, with the ledger's seal or a stranger's."""
    at = datetime.fromisoformat(moment)
    drawn = render.pdf(found, evidence, identifier=bytes.fromhex(digest(evidence)), moment=at)
    if stranger:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = seal.self_signed(
            key, common_name="bank", not_before=at - timedelta(1), not_after=at + timedelta(9), serial=7
        )
    else:
        path = bank.ledger.parent / "keys" / f"{signing.SEAL_KEY}.pem"
        key = signing.for_documents(signing.load_private(path, passphrase=lambda _: None), path)
        certificate = inspect((bank.folder / "audit.pdf").read_bytes()).certificate
    return drawn, seal.seal(drawn, private_key=key, certificate=certificate, moment=at)


def test_other_pages_over_honest_evidence_are_found(reported):
    _, number = value_of(reported)
    with desk(reported) as there:
        drawn = issue.draw(there, ("credit", 2))
    evidence = view.evidence(drawn.view)
    _, pdf = sealed(reported, altered(drawn.view, number, "0.9"), evidence, moment=drawn.moment)
    (reported.folder / "lie.pdf").write_bytes(pdf)
    code, out, _ = reported("report", "trace", "lie.pdf")
    assert code == 1
    assert re.search(r"FAILED  pages +page \d+: pages are not those that the evidence gives", out)


def test_evidence_of_another_model_is_found(reported):
    with desk(reported) as there:
        one, two = (issue.draw(there, ("credit", version)) for version in (1, 2))
    evidence = view.evidence(one.view)
    swapped = replace(two.view, evidence_sha256=digest(evidence))
    _, pdf = sealed(reported, swapped, evidence, moment=two.moment, stranger=True)
    (reported.folder / "audit.pdf").write_bytes(pdf)
    code, out, _ = reported("report", "trace", "audit.pdf")
    assert code == 1
    assert "FAILED  pages" in out
    code, out, _ = reported("report", "trace", "audit.pdf", "--key", KEY)
    assert code == 1
    assert "FAILED  issue" in out


def test_a_report_that_a_stranger_sealed_is_not_the_ledgers(reported):
    with desk(reported) as there:
        drawn = issue.draw(there, ("credit", 2))
    _, pdf = sealed(reported, drawn.view, view.evidence(drawn.view), moment=drawn.moment, stranger=True)
    (reported.folder / "audit.pdf").write_bytes(pdf)
    assert reported("report", "trace", "audit.pdf")[0] == 0, "it says what its evidence gives"
    assert reported("report", "trace", "audit.pdf", "--key", KEY)[0] == 1


def test_evidence_that_makes_no_report_is_an_answer_and_no_crash(reported):
    """One entry of its own tree, of a shape that no ledger lets in."""
    with desk(reported) as there:
        drawn = issue.draw(there, ("credit", 2))
    honest = json.loads(view.evidence(drawn.view))
    entry = json.loads(base64.b64decode(honest["entries"][0]["entry"]))
    entry |= {"seq": 0, "kind": "model", "body": {"name": 7, "version": [], "run": "x", "features": 3, "usecase": []}}
    raw = encode(entry)
    line = {"seq": 0, "leaf": leaf_hash(raw).hex(), "entry": b64(raw), "proof": []}
    honest["checkpoint"] |= {"size": 1, "root": line["leaf"]}
    honest["un_anchored"] = 1
    evidence = encode(honest | {"entries": [line], "covered": [[0, 0]], "model": honest["model"] | {"entry": 0}})
    _, pdf = sealed(
        reported, replace(drawn.view, evidence_sha256=digest(evidence)), evidence, moment=drawn.moment, stranger=True
    )
    (reported.folder / "odd.pdf").write_bytes(pdf)
    code, out, _ = reported("report", "trace", "odd.pdf")
    assert code == 1
    assert "FAILED  facts" in out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g: replace(g, anchor={"text": "a checkpoint of the regulator", "size": g.size}, un_anchored=0),
         "in other words than ours"),
        (lambda g: replace(g, controls={"eu-ai-act": Control("EU AI Act", "Art. 10", "complied with in full", "A")}),
         "the clause of eu-ai-act is not that of the control catalogue"),
        (lambda g: replace(g, un_anchored=0), "counts other un-anchored entries"),
    ],
    ids=["anchor", "clause", "count"],
)  # fmt: skip
def test_what_no_entry_says_is_worded_as_this_version_words_it(reported, change, message):
    """Whoever holds the keys invents what stands beside the entries, and seals it."""
    with desk(reported) as there:
        drawn = issue.draw(there, ("credit", 2))
        lie = replace(drawn.view, given=change(drawn.view.given))
        lie = replace(lie, evidence_sha256=digest(view.evidence(lie)))
        done = issue.seal(there, replace(drawn, view=lie))
    (reported.folder / "lie.pdf").write_bytes(done.pdf)
    (reported.folder / "lie.pdf.tlog-proof").write_bytes(done.receipt)
    code, out, _ = reported("report", "trace", "lie.pdf", "--key", KEY)
    assert code == 1
    assert message in " ".join(out.split())


def test_a_report_built_by_another_version_vouches_for_its_clauses_itself(reported, monkeypatch):
    monkeypatch.setattr("tallystick.report.render.version", lambda name: "0.0.1" if name == "tallystick" else "1")
    _, out, _ = reported("report", "trace", "audit.pdf", "--key", KEY)
    assert "clauses of the controls are the words of whoever issued" in " ".join(out.split())


@pytest.mark.parametrize(
    "other",
    [
        {"scope": 1},
        {"as_of": "2020-01-01T00:00:00.000000Z"},
        {"checkpoint": {"size": 1, "root": "00" * 32}},
        {"anchor": "a checkpoint kept by the regulator"},
    ],
    ids=["scope", "as_of", "checkpoint", "anchor"],
)
def test_an_entry_that_speaks_of_something_else_than_its_file_is_told_by_verify(reported, other):
    """A report on the second version, listed and packed as one on the first."""
    with desk(reported) as there:
        one, two = (issue.draw(there, ("credit", number)) for number in (1, 2))
        evidence = view.evidence(two.view)
        certificate = base64.b64decode(two.seal.body["certificate"])
        _, pdf = sealed(reported, two.view, evidence, moment=two.moment)
        if other.get("scope"):
            other = {"scope": issue._body(one, pdf, evidence, certificate)["scope"]}
        done = issue._recorded(there, issue._body(two, pdf, evidence, certificate) | other, pdf)
        (reported.folder / "lie.pdf.tlog-proof").write_bytes(there.ledger.receipt(done.entry).to_bytes())
    (reported.folder / "lie.pdf").write_bytes(pdf)
    code, out, _ = reported("verify", "lie.pdf", "--key", KEY)
    assert code == 1
    assert "than the attached evidence" in " ".join(out.split())


def test_another_page_in_the_revision_of_the_seal_is_found(reported):
    """A signer may append a revision; a page in it takes the place of the one that was drawn."""
    from pyhanko.pdf_utils.generic import StreamObject

    data = (reported.folder / "audit.pdf").read_bytes()
    with desk(reported) as there:
        drawn = issue.draw(there, ("credit", 2))
    honest, pdf = sealed(reported, drawn.view, view.evidence(drawn.view), moment=drawn.moment)
    check_only_sealed(pdf, honest)
    with pytest.raises(Tampered, match="another object"):
        check_only_sealed(with_another_page(reported, honest, StreamObject, drawn.moment), honest)
    with pytest.raises(Tampered, match="not those that the evidence gives"):
        check_only_sealed(data, honest)


def test_a_seal_that_shows_something_is_found(reported):
    from pyhanko.sign.fields import SigFieldSpec

    with desk(reported) as there:
        drawn = issue.draw(there, ("credit", 2))
    honest, _ = sealed(reported, drawn.view, view.evidence(drawn.view), moment=drawn.moment)
    box = SigFieldSpec(seal.FIELD, box=(10, 10, 300, 60))
    with pytest.raises(Tampered, match="no report has; got /AP"):
        check_only_sealed(signed(reported, seal._writer(honest), drawn.moment, box), honest)


def with_another_page(bank, honest, stream, moment):
    writer = seal._writer(honest)
    page = writer.root["/Pages"]["/Kids"][0]
    page["/Contents"] = writer.add_object(stream(stream_data=b"BT ET"))
    writer.update_container(page)
    return signed(bank, writer, moment)


def signed(bank, writer, moment, field=None):
    """What a writer holds, sealed by the ledger in the form that is accepted, with a field of one's own."""
    at = datetime.fromisoformat(moment).astimezone(UTC)
    path = bank.ledger.parent / "keys" / f"{signing.SEAL_KEY}.pem"
    key = signing.for_documents(signing.load_private(path, passphrase=lambda _: None), path)
    certificate = inspect((bank.folder / "audit.pdf").read_bytes()).certificate
    signer = seal._pdf_signer(seal._signer(key, certificate, at, ()), at, None)
    signer.new_field_spec = field or signer.new_field_spec
    output = BytesIO()
    signer.sign_pdf(writer, bytes_reserved=seal._CONTENTS, output=output)
    inspect(output.getvalue())
    return output.getvalue()
