"""The command that writes documents, over a real ledger: what it writes, and what it refuses to write."""

import csv
import json

import _outside as outside
import pytest

from tallystick.canonical import decode, encode
from tallystick.cli.main import run
from tallystick.records import Attachment, Draft
from tallystick.workflow.desk import Desk

KINDS = ["model-card", "bias-audit", "hand-over", "annex-iv"]

LAW = """\
apiVersion: tallystick/v1
kind: Policy
metadata: {id: hiring, version: 1.0.0, owner: model-risk}
applies_to: {stage: production}
inputs:
  columns: {y_true: y_true, y_pred: y_pred, favourable: 1}
gates:
  - id: schema
    type: schema
    rows: {min: 100}
  - id: law
    type: bias
    sensitive: [sex, race, [sex, race]]
    metrics:
      - name: ll144
        exclude: {below: 0.02, justification: too few to say anything}
"""


def applicants(path):
    """Categories of every size: one of four people, one of 2 %, and people of an unknown race."""
    sizes = {("f", "a"): (300, 90), ("m", "a"): (300, 120), ("f", "b"): (200, 50), ("m", "b"): (190, 70)}
    sizes |= {("f", "c"): (4, 1), ("m", "c"): (12, 3), ("f", ""): (7, 2)}
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["sex", "race", "y_true", "y_pred"])
        for (sex, race), (n, chosen) in sizes.items():
            out.writerows([sex, race, i % 2, int(i < chosen)] for i in range(n))


@pytest.fixture
def law(bank):
    (bank.folder / "law.yaml").write_text(LAW)
    applicants(bank.folder / "applicants.csv")
    bank.ok("policy", "publish", "law.yaml", "--as", "officer")
    data = ["record", "dataset", "applicants.csv", "--name", "applicants", "--role", "test", "--as", "engineer"]
    bank.ok(*data)
    gate = "gate run credit@2 --policy hiring --predictions applicants.csv --dataset applicants --as engineer"
    bank.ok(*gate.split())
    return bank


@pytest.mark.parametrize("kind", KINDS)
def test_a_document_is_written_and_the_ledger_is_as_it_was(bank, kind):
    before = bank.ledger.read_bytes()
    for ending in ("md", "html"):
        said = bank.ok("document", kind, "credit@2", "-o", f"out.{ending}")
        assert "credit, version 2" in said
        text = (bank.folder / f"out.{ending}").read_text()
        assert "credit" in text
        assert "not recorded" in text
    assert bank.ledger.read_bytes() == before
    outside.check(bank.ledger)


def test_a_pdf_is_written(bank):
    bank.ok("document", "hand-over", "credit", "-o", "out.pdf")
    assert (bank.folder / "out.pdf").read_bytes().startswith(b"%PDF-")


def test_the_json_form_names_the_entries(bank):
    found = json.loads(bank.ok("document", "model-card", "credit@1", "-o", "card.md", "--format", "json"))
    assert found["kind"] == "model-card"
    assert found["entries"] == sorted(found["entries"])


def test_a_data_sheet_prints_the_profile_if_asked(bank):
    bank.ok("document", "data-sheet", "german", "-o", "sheet.md")
    held = (bank.folder / "sheet.md").read_text()
    assert "Profile: withheld" in held
    bank.ok("document", "data-sheet", "german", "-o", "sheet.md", "--profile", "--force")
    shown = (bank.folder / "sheet.md").read_text()
    assert "| age | 0 | 53 | 19 to 75, mean 35.55 |" in shown


def test_what_was_recorded_later_is_left_out(bank):
    code, _, err = bank("document", "model-card", "credit@2", "-o", "a.md", "--as-of", "2020-01-01")
    assert code == 3
    assert "no such model" in err
    assert not (bank.folder / "a.md").exists()


def test_the_summary_of_local_law_144(law):
    law.ok("document", "ll144-summary", "credit@2", "-o", "summary.md")
    text = (law.folder / "summary.md").read_text()
    assert "independent auditor" in text
    assert "Results by race and sex" in text
    assert "**Individuals of an unknown category:** fewer than 10" in text
    rows = {line.split(" | ")[0].strip("| "): line for line in text.splitlines() if line.startswith("| ")}
    assert "| race: a; sex: f | 300 | 90 | 0.3 | 0.75 |" in rows["race: a; sex: f"]
    assert "| race: c; sex: f | withheld | withheld | withheld | excluded |" in rows["race: c; sex: f"]
    assert "| race: c; sex: m | 12 | withheld | withheld | excluded |" in rows["race: c; sex: m"]
    assert "justification: too few to say anything" in text
    assert "Date of the audit by an independent auditor:** *not recorded*" in text


def summary(law, *more):
    """The document, and the cells of its categories by name."""
    law.ok("document", "ll144-summary", "credit@2", "-o", "summary.md", "--force", *more)
    text = (law.folder / "summary.md").read_text()
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return text, {cells[0]: cells[1:] for cells in lines}


def test_what_the_summary_withholds_is_said_first_with_the_option_that_prints_it(law):
    text, _ = summary(law)
    top = text.partition("## 1.")[0]
    assert "Not yet what has to be published" in top
    assert "--small-numbers" in top
    assert "Withheld in results by race and sex: 2 selection rates, 2 numbers selected, 1 number of applicants" in top
    assert "the number of an unknown category" in top


def test_the_published_summary_has_every_figure_that_the_rules_name(law):
    before = law.ledger.read_bytes()
    text, rows = summary(law, "--small-numbers")
    assert "withheld" not in text.lower().replace("profile", "")
    assert "**Individuals of an unknown category:** 7" in text
    assert rows["race: a; sex: m"][:5] == ["300", "120", "0.4", "1", "no"]
    assert rows["race: b; sex: m"][:5] == ["190", "70", "0.3684", "0.9211", "no"]
    assert rows["race: c; sex: f"][:5] == ["4", "1", "0.25", "excluded", "yes"]
    assert rows["race: c; sex: m"][:5] == ["12", "3", "0.25", "excluded", "yes"]
    assert rows["c"][:5] == ["16", "4", "0.25", "excluded", "yes"]
    assert "may tell of single persons" in text.partition("## 1.")[0]
    assert law.ledger.read_bytes() == before


def test_without_an_exclusion_the_smallest_category_has_its_ratio_too(law):
    kept = LAW.replace("id: hiring", "id: all").replace(", justification: too few to say anything", "")
    kept = kept.replace("\n        exclude: {below: 0.02}", "")
    (law.folder / "all.yaml").write_text(kept)
    law.ok("policy", "publish", "all.yaml", "--as", "officer")
    gate = "gate run credit@2 --policy all --predictions applicants.csv --dataset applicants --as engineer"
    law.ok(*gate.split())
    text, rows = summary(law)
    assert rows["race: c; sex: f"][:4] == ["withheld"] * 4
    assert "Withheld in results by race and sex: 2 impact ratios" in text
    text, rows = summary(law, "--small-numbers")
    assert rows["race: c; sex: f"][:5] == ["4", "1", "0.25", "0.625", "yes"]
    assert "Excluded categories: none." in text


def writing(law):
    return Desk.open(law.ledger, keys=law.folder / ".tallystick" / "keys", writing=True)


def evaluations(desk):
    return desk.book().of_kind("evaluation")


def test_what_was_erased_stays_withheld_and_the_summary_says_so(law):
    with writing(law) as desk, desk.writing() as writer:
        assert writer.erase(evaluations(desk)[-1], "counts.json")
    for option in ([], ["--small-numbers"]):
        text, rows = summary(law, *option)
        assert "were erased" in text.partition("## 1.")[0]
        assert rows["race: c; sex: f"][:4] == ["withheld", "withheld", "withheld", "excluded"]
    outside.check(law.ledger)


def test_counts_that_give_other_figures_than_were_recorded_are_refused(law):
    with writing(law) as desk:
        last = evaluations(desk)[-1]
        counts = decode(desk.book().part(last, "counts.json"))
        for table in counts["sources"]["data"]["tables"]:
            table["cells"][0][-1] += 1
            table["cells"][-1][-1] -= 1
        attached = [Attachment.erasable("counts.json", "application/json", encode(counts))]
        attached += [
            Attachment(line["name"], line["mediaType"], desk.book().part(last, line["name"]))
            for line in last.attachments
            if "sha256" in line
        ]
        with desk.writing() as writer:
            writer.append(Draft("evaluation", last.actor, desk.clock(), last.body, attachments=tuple(attached)))
    summary(law)
    code, out, err = law("document", "ll144-summary", "credit@2", "-o", "s.md", "--small-numbers")
    assert (code, out) == (3, "")
    assert "do not give the figures that were recorded" in err
    assert "gate replay" in err
    assert not (law.folder / "s.md").exists()


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("model-card credit -o a.md --small-numbers", 2, "ll144-summary"),
        ("model-card loan -o a.md", 3, "no such model"),
        ("model-card credit@9 -o a.md", 3, "no such model version"),
        ("model-card credit@x -o a.md", 2, "NAME@VERSION"),
        ("model-card credit@ -o a.md", 2, "NAME@VERSION"),
        ("model-card credit -o a.docx", 2, "no such form"),
        ("model-card credit -o a", 2, "no such form"),
        ("model-card credit -o nowhere/a.md", 3, "cannot be written"),
        ("model-card credit -o there.md", 1, "is there already"),
        ("model-card credit -o a.md --profile", 2, "data-sheet"),
        ("model-card credit -o a.md --templates nowhere", 3, "no folder of templates"),
        ("model-card credit -o a.md --as-of tomorrow", 2, "time is not usable"),
        ("data-sheet other -o a.md", 3, "no such dataset"),
        ("data-sheet german@9 -o a.md", 3, "no such version of the dataset"),
        ("ll144-summary credit -o a.md", 3, "no check of Local Law 144"),
        ("novel credit -o a.md", 2, "model-card"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(bank, line, code, said):
    (bank.folder / "there.md").write_text("mine")
    before = sorted(path.name for path in bank.folder.iterdir())
    found, out, err = bank("document", *line.split())
    assert (found, out) == (code, "")
    assert said in err
    assert len([one for one in err.splitlines() if not one.startswith("...")]) == 1
    assert sorted(path.name for path in bank.folder.iterdir()) == before
    assert (bank.folder / "there.md").read_text() == "mine"


def test_templates_come_from_the_setting_and_a_bad_one_writes_nothing(bank):
    own = bank.folder / "own"
    own.mkdir()
    (bank.folder / "tallystick.toml").write_text('templates = "own"\n')
    (own / "hand-over.md.j2").write_text("Bank: {{ document.name }}\n")
    bank.ok("document", "hand-over", "credit", "-o", "a.md")
    assert (bank.folder / "a.md").read_text() == "Bank: credit\n"
    (own / "hand-over.md.j2").write_text("{{ document.name.__class__ }}")
    code, _, err = bank("document", "hand-over", "credit", "-o", "b.md")
    assert code == 3
    assert "hand-over.md.j2: template cannot be rendered" in err
    assert not (bank.folder / "b.md").exists()
    assert "templates" in bank.ok("doctor")


def test_an_empty_ledger_has_nothing_to_write_of(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["init", "--name", "bank.example/empty"]) == 0
    for kind in (*KINDS, "data-sheet", "ll144-summary"):
        assert run(["document", kind, "credit", "-o", "a.md"]) == 3
        assert "no such" in capsys.readouterr().err
