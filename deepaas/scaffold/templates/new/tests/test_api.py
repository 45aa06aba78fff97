"""The model answers as its declarations say, trains, and serves what it has trained."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import deepaas
import pytest
from marshmallow import Schema, ValidationError

from {{ module }} import api


def load(declared: dict[str, Any], **arguments: Any) -> Any:
    """Check arguments as the service does before it calls the model."""
    return Schema.from_dict(declared)().load(arguments)


@pytest.fixture(scope="module")
def model() -> Iterator[api.Model]:
    model = api.Model()
    model.warm()
    yield model


def test_it_says_what_it_is(model: api.Model) -> None:
    metadata = model.get_metadata()
    assert metadata["name"] == {{ title|quoted }}
    assert all(metadata[key] for key in ("summary", "author", "license", "version"))


@pytest.mark.parametrize(
    ("length", "width", "label"),
    [(5.5, 4.2, "birch"), (11.5, 6.5, "oak"), (9.5, 1.7, "willow")],
)
def test_it_tells_typical_leaves(
    model: api.Model, length: float, width: float, label: str
) -> None:
    answer = model.predict(**load(model.get_predict_args(), length=length, width=width))
    assert answer["label"] == label
    assert sum(answer["probabilities"].values()) == pytest.approx(1)
    assert api.Answer().validate(answer) == {}


@pytest.mark.parametrize("wrong", [{"length": 0}, {"width": "wide"}, {"width": 101}])
def test_what_is_no_measure_is_refused(model: api.Model, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refusal:
        load(model.get_predict_args(), **{"length": 1, "width": 1, **wrong})
    assert isinstance(refusal.value.messages, dict)
    assert set(refusal.value.messages) == set(wrong)


def test_what_was_trained_answers_once_it_is_promoted(
    model: api.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "table.csv"
    table.write_text("length,width,label\n1,1,small\n2,1,small\n9,8,large\n8,9,large\n")
    upload = deepaas.UploadedFile("table", str(table), "text/csv", table.name)
    monkeypatch.setattr(deepaas, "artifact_dir", lambda: tmp_path)
    result = model.train(**load(model.get_train_args(), table=upload, epochs=50))
    assert result == {
        "loss": pytest.approx(0, abs=0.5),
        "accuracy": 1,
        "epochs": 50,
        "n_examples": 4,
    }

    monkeypatch.setattr(deepaas, "model_dir", lambda: tmp_path)
    assert api.Model().predict(length=8, width=8)["label"] == "large"


def test_a_cancelled_training_keeps_what_it_has(
    model: api.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deepaas, "artifact_dir", lambda: tmp_path)
    monkeypatch.setattr(deepaas, "is_cancelled", lambda: True)
    assert model.train(**load(model.get_train_args()))["epochs"] == 1
    assert (tmp_path / api.ARTIFACT).is_file()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("length,label\n1,a\n", "no column width"),
        ("length,width,label\n1,wide,a\n", "line 2"),
        ("length,width,label\n1,nan,a\n", "not finite"),
        ("length,width,label\n1,1,a\n", "two labels"),
    ],
)
def test_a_table_that_cannot_be_used_is_the_clients_mistake(
    model: api.Model, tmp_path: Path, text: str, reason: str
) -> None:
    table = tmp_path / "table.csv"
    table.write_text(text)
    upload = deepaas.UploadedFile("table", str(table), "text/csv", table.name)
    with pytest.raises(deepaas.InvalidInput, match=reason):
        model.train(**load(model.get_train_args(), table=upload))
