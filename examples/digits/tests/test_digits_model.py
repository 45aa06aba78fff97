# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The digits model reads its samples, trains as scikit-learn does, is measured, and stops."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import pytest
from digits_model import api
from digits_model.classifier import Hyperparameters, split_digits
from marshmallow import Schema, ValidationError
from marshmallow.fields import Field
from PIL import Image
from sklearn.metrics import log_loss

import deepaas

HERE = Path(__file__).parent
SAMPLES = HERE.parent / "samples"


def upload(path: Path) -> deepaas.UploadedFile:
    """Return a file as the server hands it to the model."""
    return deepaas.UploadedFile("data", str(path), "image/png", path.name)


def load(declared: dict[str, Field], **arguments: Any) -> Any:
    """Validate arguments as the server does before it calls the model."""
    return Schema.from_dict(declared)().load(arguments)


class Course:
    """Stands for the service that a training runs in; cancels after some epochs."""

    def __init__(self, artifacts: Path, cancel_after: int | None = None) -> None:
        self.artifacts = artifacts
        self.cancel_after = cancel_after
        self.reports: list[tuple[float, float | None, dict[str, float]]] = []

    def progress(self, done: float, total: float | None = None, **metrics: float) -> None:
        self.reports.append((done, total, metrics))

    def is_cancelled(self) -> bool:
        return self.cancel_after is not None and len(self.reports) >= self.cancel_after

    def artifact_dir(self) -> Path:
        return self.artifacts

    def install(self, monkeypatch: pytest.MonkeyPatch) -> "Course":
        for name in ("progress", "is_cancelled", "artifact_dir"):
            monkeypatch.setattr(api, name, getattr(self, name))
        return self


def test_metadata_has_the_usual_keys() -> None:
    metadata = api.get_metadata()
    assert {"id", "name", "summary", "description", "author", "license", "version"} <= set(metadata)
    json.dumps(metadata)


@pytest.mark.parametrize("digit", range(10))
def test_every_sample_is_read_right(digit: int) -> None:
    answer = api.predict(data=upload(SAMPLES / f"{digit}.png"), accept="application/json")
    assert isinstance(answer, dict)
    assert answer["digit"] == digit
    probabilities = answer["probabilities"]
    assert list(probabilities) == [str(label) for label in range(10)]
    assert sum(probabilities.values()) == pytest.approx(1)
    assert max(probabilities, key=probabilities.__getitem__) == str(digit)
    json.dumps(answer)


def test_a_dark_digit_anywhere_on_a_jpeg_scan_is_read_right() -> None:
    answer = api.predict(data=upload(SAMPLES / "scan.jpg"))
    assert isinstance(answer, dict)
    assert answer["digit"] == 4


def test_the_answer_can_be_an_annotated_png() -> None:
    answer = api.predict(data=upload(SAMPLES / "7.png"), accept="image/png")
    assert isinstance(answer, io.BytesIO)
    assert answer.tell() == 0
    with Image.open(answer) as picture:
        assert (picture.format, picture.size) == ("PNG", (512, 304))


def test_text_in_place_of_a_file_is_a_client_error() -> None:
    with pytest.raises(deepaas.InvalidInput, match="must be a PNG or JPEG file"):
        api.predict(data="7")  # type: ignore[arg-type]


def test_warm_keeps_the_network_in_the_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "_classifier", None)
    api.warm()
    network = api._classifier
    assert network is not None
    api.warm()
    api.predict(data=upload(SAMPLES / "1.png"))
    assert api._classifier is network


def test_predict_arguments_as_declared() -> None:
    declared = api.get_predict_args()
    file = upload(SAMPLES / "0.png")
    assert load(declared, data=file) == {"data": file, "accept": "application/json"}
    with pytest.raises(ValidationError, match="Missing data"):
        load(declared)
    with pytest.raises(ValidationError, match="Must be one of"):
        load(declared, data=file, accept="text/csv")


def test_train_arguments_default_to_the_served_model() -> None:
    assert Hyperparameters(**load(api.get_train_args())) == api.DEFAULTS


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"epochs": "many"},
        {"learning_rate": 0},
        {"batch_size": 0},
        {"hidden_units": 0},
        {"alpha": -1},
        {"test_fraction": 1},
        {"seed": -1},
    ],
)
def test_train_arguments_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refusal:
        load(api.get_train_args(), **wrong)
    assert isinstance(refusal.value.messages, dict)
    assert set(refusal.value.messages) == set(wrong)


@pytest.mark.parametrize(
    "hyperparameters",
    [
        {},
        {
            "epochs": 4,
            "learning_rate": 0.002,
            "batch_size": 50,
            "hidden_units": 24,
            "alpha": 0.01,
            "test_fraction": 0.35,
            "seed": 11,
        },
    ],
    ids=["defaults", "all-different"],
)
def test_accuracy_is_exactly_that_of_a_plain_script(hyperparameters: dict[str, Any]) -> None:
    options = [f"--{name.replace('_', '-')}={value}" for name, value in hyperparameters.items()]
    plain = subprocess.run(
        [sys.executable, str(HERE / "plain_digits.py"), *options],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    result = api.train(**load(api.get_train_args(), **hyperparameters))
    assert result["accuracy"] == float(plain.stdout)


def test_the_default_network_is_a_good_one() -> None:
    assert api.train()["accuracy"] > 0.97


def test_every_epoch_is_reported_with_its_metrics(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    course = Course(tmp_path).install(monkeypatch)
    result = api.train(epochs=3)
    assert [(done, total) for done, total, _ in course.reports] == [(1, 3), (2, 3), (3, 3)]
    losses = [metrics["loss"] for _, _, metrics in course.reports]
    assert losses == sorted(losses, reverse=True)
    assert course.reports[-1][2] == {"accuracy": result["accuracy"], "loss": result["loss"]}


def test_the_artifact_is_the_network_that_was_scored(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Course(tmp_path).install(monkeypatch)
    result = api.train(epochs=2, seed=5)
    json.dumps(result)
    assert [path.name for path in tmp_path.iterdir()] == [result["artifact"]]
    network = joblib.load(tmp_path / result["artifact"])
    split = split_digits(Hyperparameters(seed=5))
    assert network.score(split.test_images, split.test_labels) == result["accuracy"]
    assert (result["n_train"], result["n_test"]) == (1437, 360)
    assert result["parameters"]["seed"] == 5


def test_a_cancelled_training_stops_after_its_epoch_and_keeps_what_it_has(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    course = Course(tmp_path, cancel_after=2).install(monkeypatch)
    result = api.train(epochs=1000)
    assert (result["epochs"], len(course.reports)) == (2, 2)
    assert (tmp_path / api.ARTIFACT).exists()


def test_training_leaves_the_served_network_alone() -> None:
    api.warm()
    before = api._classifier
    api.train(epochs=1)
    assert api._classifier is before


def test_the_promoted_network_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Course(tmp_path).install(monkeypatch)
    api.train(epochs=1, hidden_units=7)
    monkeypatch.setattr(api, "model_dir", lambda: tmp_path)
    monkeypatch.setattr(api, "_classifier", None)
    api.warm()
    assert api._classifier is not None
    assert api._classifier.hidden_layer_sizes == (7,)


def test_training_works_outside_the_service() -> None:
    result = api.train(epochs=1)
    assert (deepaas.artifact_dir() / result["artifact"]).exists()


def test_what_is_evaluated_is_what_the_training_had_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """On the same held-out images, batch by batch."""
    course = Course(tmp_path).install(monkeypatch)
    trained = api.train(epochs=2, seed=5, test_fraction=0.3)
    monkeypatch.setattr(api, "model_dir", lambda: tmp_path)
    monkeypatch.setattr(api, "_classifier", None)
    course.reports.clear()
    arguments = load(api.get_evaluate_args(), seed=5, test_fraction=0.3)
    result = api.evaluate(**arguments)
    assert (result["accuracy"], result["n_test"]) == (trained["accuracy"], trained["n_test"])
    json.dumps(result)
    split = split_digits(Hyperparameters(seed=5, test_fraction=0.3))
    network = joblib.load(tmp_path / api.ARTIFACT)
    loss = log_loss(split.test_labels, network.predict_proba(split.test_images))
    assert result["loss"] == pytest.approx(loss)
    *_, (done, total, metrics) = course.reports
    assert len(course.reports) == 9
    assert done == total == result["n_test"]
    assert metrics == {"accuracy": result["accuracy"], "loss": result["loss"]}


def test_the_default_network_is_evaluated_where_none_was_promoted() -> None:
    assert api.evaluate(**load(api.get_evaluate_args()))["accuracy"] > 0.97


def test_a_cancelled_evaluation_reads_no_further(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Course(tmp_path, cancel_after=1).install(monkeypatch)
    assert api.evaluate(**load(api.get_evaluate_args()))["n_test"] == 64


@pytest.mark.parametrize("wrong", [{"test_fraction": 1}, {"seed": -1}])
def test_evaluate_arguments_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        load(api.get_evaluate_args(), **wrong)
