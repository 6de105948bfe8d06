"""A ledger with people, a use case, a policy and two evaluated candidates, made once by the real command line."""

from __future__ import annotations

import csv
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from tallystick.cli.main import run

DATA = Path(__file__).parents[1] / "data"

USECASE = """\
name: credit
owner_group: retail-lending
intended_use: propose who is offered a loan
prohibited_use: anything else
jurisdictions: [EU]
risk_tier: {value: high, rationale: creditworthiness, assigned_by: model-risk}
next_review: 2027-06-30
"""

POLICY = """\
apiVersion: tallystick/v1
kind: Policy
metadata: {id: german, version: 1.0.0, owner: model-risk, controls: [euaia-9.6]}
applies_to: {stage: production}
inputs:
  columns: {y_true: y_true, y_pred: y_pred, favourable: 1}
gates:
  - id: schema.core
    type: schema
    rows: {min: 500}
    columns:
      age: {dtype: int64, range: [18, 100]}
  - id: bias.sex
    type: bias
    sensitive: [sex]
    decision: point
    metrics: [{name: demographic_parity_ratio, fail_if: "< 0.80"}]
  - id: bench.accuracy
    type: benchmark
    metrics: [{name: accuracy, fail_if: "< 0.60"}]
"""


@dataclass
class Bank:
    """A folder with a ledger, and the command line in it."""

    SECRET: ClassVar = "mellon"
    """The word in the password of who owns databases here."""

    folder: Path
    capsys: pytest.CaptureFixture[str]
    database: str = ""
    """Its name, where the ledger is not in the folder."""

    def __call__(self, *words: str) -> tuple[int, str, str]:
        """Exit code, stdout, stderr of one command. Nothing that is ever said has the password of a database in it."""
        self.capsys.readouterr()
        code = run([str(word) for word in words])
        out = self.capsys.readouterr()
        assert self.SECRET not in out.out + out.err, words
        return code, out.out, out.err

    def ok(self, *words: str) -> str:
        code, out, err = self(*words)
        assert code == 0, (words, code, out, err)
        return out

    @property
    def ledger(self) -> Path:
        return self.folder / ".tallystick" / "ledger.db"


def predictions(path: Path, decide) -> None:
    """German credit with sex split off, the true outcome, and what a rule decides."""
    with (DATA / "german_credit.csv").open() as source, path.open("w", newline="") as target:
        rows = csv.DictReader(source)
        out = csv.DictWriter(target, [*(rows.fieldnames or []), "sex", "y_true", "y_pred"])
        out.writeheader()
        for row in rows:
            sex = "female" if row["personal_status_sex"] in ("A92", "A95") else "male"
            row |= {"sex": sex, "y_true": "1" if row["outcome"] == "1" else "0"}
            out.writerow(row | {"y_pred": str(int(decide(row)))})


def unfair(row) -> bool:
    return row["sex"] == "male" and row["checking_status"] != "A11"


def fair(row) -> bool:
    return row["checking_status"] in ("A13", "A14", "A12")


def _prepare(folder: Path) -> None:
    os.chdir(folder)
    (folder / "usecase.yaml").write_text(USECASE)
    (folder / "policy.yaml").write_text(POLICY)
    predictions(folder / "unfair.csv", unfair)
    predictions(folder / "fair.csv", fair)
    shutil.copy(DATA / "german_credit.csv", folder / "german.csv")
    (folder / "m1.bin").write_bytes(b"model one")
    (folder / "m2.bin").write_bytes(b"model two")
    for line in (
        "init --name bank.example/test",
        "key new officer --role risk-officer --name Odalind --email oda@bank.example",
        "key new engineer --role engineer --by officer",
        "usecase usecase.yaml --as officer",
        "policy publish policy.yaml --as officer",
        "record dataset german.csv --name german --role test --as engineer",
        "record model m1.bin --name credit --usecase credit --as engineer",
        "record model m2.bin --name credit --usecase credit --as engineer",
    ):
        assert run(line.split()) == 0, line
    assert (
        run(["gate", "run", "credit@1", "--predictions", "unfair.csv", "--dataset", "german", "--as", "engineer"]) == 1
    )
    passing = "gate run credit@2 --predictions fair.csv --dataset german --as engineer --explain because"
    assert run(passing.split()) == 0


@pytest.fixture(scope="session")
def prepared(tmp_path_factory) -> Path:
    here = Path.cwd()
    folder = tmp_path_factory.mktemp("bank")
    try:
        _prepare(folder)
    finally:
        os.chdir(here)
    return folder


@pytest.fixture
def bank(bank_here) -> Bank:
    """With the ledger in its folder; a module may say otherwise."""
    return bank_here


@pytest.fixture
def bank_here(prepared, tmp_path, monkeypatch, capsys) -> Bank:
    """A copy of the prepared folder, entered; no setting of the machine reaches it."""
    return Bank(_entered(prepared, tmp_path, monkeypatch), capsys)


def _entered(prepared: Path, tmp_path: Path, monkeypatch) -> Path:
    folder = tmp_path / "bank"
    shutil.copytree(prepared, folder)
    monkeypatch.chdir(folder)
    for name in list(os.environ):
        if name.startswith(("TALLYSTICK_", "PG")):
            monkeypatch.delenv(name)
    return folder


# --- the same with the ledger in a database -------------------------------------------------------------------------


@pytest.fixture(scope="session")
def vault(server):
    """``vault(database)``: the URL of a database for its owner, with the password that this role needs."""
    right = f"speak/{Bank.SECRET}@enter"
    server.execute(f"CREATE ROLE vault LOGIN PASSWORD '{right}' IN ROLE with_password")
    return lambda database, password=right: server.url("vault", database, password=password)


@pytest.fixture(scope="session")
def prepared_there(server, vault, tmp_path_factory):
    """The prepared folder, and the name of the database with its ledger."""
    folder = tmp_path_factory.mktemp("bank")
    with server.database(owner="vault") as name:
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(Path.cwd())
            patch.setenv("TALLYSTICK_LEDGER", vault(name))
            _prepare(folder)
        assert not (folder / ".tallystick" / "ledger.db").exists()
        yield folder, name


@pytest.fixture
def bank_there(prepared_there, server, vault, tmp_path, monkeypatch, capsys):
    """A copy of that folder and that database, entered."""
    folder, template = prepared_there
    with server.database(owner="vault", template=template) as name:
        entered = _entered(folder, tmp_path, monkeypatch)
        monkeypatch.setenv("TALLYSTICK_LEDGER", vault(name))
        yield Bank(entered, capsys, name)
