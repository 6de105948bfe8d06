"""Parameter sets."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline

from tallystick.canonical import decode, encode, untagged
from tallystick.capture.captured import Captured
from tallystick.capture.params import params
from tallystick.errors import InvalidData, NotFound
from tallystick.records import Draft, Entry
from tallystick.unicode14 import unassigned


def sealed(captured: Captured) -> dict[str, Any]:
    draft = Draft(
        kind="params",
        actor="ci",
        claimed_at="2026-01-01T00:00:00.000000Z",
        body=captured.body,
        attachments=captured.attachments,
        subject=captured.subject,
    )
    return dict(Entry.parse(draft.seal(seq=1, prev="0" * 64, recorded_at="2026-01-01T00:00:00.000000Z")).body)


def from_text(folder: Path, name: str, text: str | bytes) -> dict[str, Any]:
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return sealed(params(folder / name))


def test_a_pipeline_gives_its_parameters_with_nan_seed_and_class() -> None:
    estimator = make_pipeline(SimpleImputer(missing_values=np.nan), RandomForestClassifier(random_state=7))
    body = sealed(params(estimator, seeds={"numpy": 3}, decision_cutoff=0.5))
    assert body["values"]["class"] == "sklearn.pipeline.Pipeline"
    assert body["values"]["simpleimputer__missing_values"] == {"float": "nan"}
    assert body["values"]["randomforestclassifier__n_estimators"] == 100
    assert body["seeds"] == {"randomforestclassifier__random_state": 7, "numpy": 3}
    assert body["decision_cutoff"] == 0.5
    assert body["digest"] == hashlib.sha256(encode(body["values"])).hexdigest()


def test_the_same_parameters_have_the_same_digest_in_every_process_and_file(tmp_path: Path) -> None:
    bodies = [
        from_text(tmp_path, "a.json", '{"b": [1, 2.5], "a": null, "seed": 1}'),
        from_text(tmp_path, "a.yaml", "seed: 1\na: null\nb: [1, 2.5]\n"),
        sealed(params({"a": None, "seed": np.int64(1), "b": np.array([1.0, 2.5])})),
    ]
    assert len({body["digest"] for body in bodies}) == 1
    assert bodies[0]["seeds"] == {"seed": 1}
    one, two = (params(RandomForestClassifier(random_state=np.random.RandomState(1))).body["digest"] for _ in "12")
    assert one == two


def test_numbers_that_json_does_not_know_are_tagged(tmp_path: Path) -> None:
    text = '{"a": NaN, "b": -Infinity, "c": 123456789012345678901234567890, "d": 1e18}'
    values = from_text(tmp_path, "a.json", text)["values"]
    assert values["a"] == {"float": "nan"}
    assert values["b"] == {"float": "-inf"}
    assert values["c"] == {"int": "123456789012345678901234567890"}
    assert untagged(values["d"]) == 1e18


TEXTS = st.text(max_size=5).filter(lambda text: unassigned(text) is None)


@given(st.dictionaries(TEXTS, st.floats() | st.integers() | TEXTS | st.none(), max_size=4))
def test_any_mapping_survives_canonical_bytes(mapping: dict[str, Any]) -> None:
    try:
        body = sealed(params(mapping))
    except InvalidData as error:
        assert "two spellings" in str(error)  # noqa: PT017 - the one refusal there is
    else:
        assert decode(encode(body["values"]), canonical=True) == body["values"]


def test_seeds_are_found_at_any_depth(tmp_path: Path) -> None:
    text = "model: {data_seed: 4, layers: [{random_state: 5}]}\nspeed: 1\nseedling: 2\n"
    assert from_text(tmp_path, "a.yaml", text)["seeds"] == {"model.data_seed": 4, "model.layers.0.random_state": 5}


def test_toml_is_read(tmp_path: Path) -> None:
    body = from_text(tmp_path, "a.toml", "a = nan\nb = 2020-01-01\nt = 07:00:00\n[train]\nseed = 5\n")
    assert body["values"] == {"a": {"float": "nan"}, "b": "2020-01-01", "t": "07:00:00", "train": {"seed": 5}}
    assert body["seeds"] == {"train.seed": 5}
    assert body["decision_cutoff"] == {"absent": "not recorded"}


def test_a_large_set_moves_into_an_attachment_and_keeps_its_digest(tmp_path: Path) -> None:
    captured = params({"x": "y" * 20_000})
    body = sealed(captured)
    assert body["values"] == {"attachment": "params.json"}
    assert body["digest"] == hashlib.sha256(captured.attachments[0].data).hexdigest()


@pytest.mark.parametrize("name", ["absent", "attachment"])
def test_a_parameter_cannot_pose_as_a_sign_of_the_record(name: str) -> None:
    assert sealed(params({name: "x"}))["values"] == {"map": [[name, "x"]]}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", '{"a": 1e400}', "out of range"),
        ("a.json", '{"a": 1, "a": 2}', "stands twice"),
        ("a.json", '{"a": ', "a.json:1:7: Expecting value"),
        ("a.json", "[" * 5000, "nested too deeply"),
        ("a.json", '{"a":' * 40 + "1" + "}" * 40, "nested too deeply"),
        ("a.json", '{"a": ' + "9" * 5000 + "}", "4300 digits"),
        ("a.json", "[1]", "not a mapping"),
        ("a.json", b"\xff", "not UTF-8"),
        ("a.json", '{"a": "' + "x" * 300_000 + '"}', "too large"),
        ("a.yaml", "a: &x 1\nb: *x\n", "a.yaml:2:4: YAML aliases are not allowed"),
        ("a.yaml", "a: 1\na: 2\n", 'a.yaml:2:1: parameter file is not well-formed: found duplicate key "a"'),
        ("a.yaml", "a: !!python/object/apply:os.system [id]\n", "a.yaml:1:4: YAML tags are not allowed"),
        ("a.yaml", "[" * 1000, "nested too deeply"),
        ("a.yaml", "a: 1\n---\nb: 2\n", "a.yaml:2:1"),
        ("a.yaml", "", "not a mapping"),
        ("a.yaml", "a: b: c\n", "a.yaml:1:5"),
        ("a.toml", "a = 1\na = 2\n", "a.toml: Cannot overwrite"),
        ("a.toml", "a = " + "[" * 3000, "nested too deeply"),
        ("a.pkl", "x", "no known format"),
        ("a.json", '{"\u00e9": 1, "e\u0301": 2}', "two spellings"),
    ],
)
def test_a_file_that_could_mean_two_things_is_refused(
    tmp_path: Path, name: str, text: str | bytes, message: str
) -> None:
    with pytest.raises(InvalidData) as caught:
        from_text(tmp_path, name, text)
    assert message in str(caught.value)


def test_a_cycle_a_class_and_a_number_are_no_parameters() -> None:
    cycle: dict[str, Any] = {}
    cycle["self"] = cycle
    for source in (cycle, RandomForestClassifier, 5):
        with pytest.raises(InvalidData):
            params(source)


def test_no_such_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        params(tmp_path / "none.json")
