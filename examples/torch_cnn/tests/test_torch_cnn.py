# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The network reads the samples of the other example, and resumes as if nothing had happened."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
api = pytest.importorskip("torch_cnn_model.api", reason="the example is not installed")

import deepaas  # noqa: E402 - behind the reasons to skip
from deepaas.model import context  # noqa: E402

SAMPLES = Path(__file__).parents[2] / "digits/samples"


class Course:
    """Stands for the service that a training runs in; cancels after some epochs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cancel_after: int | None = None
        self.reports: list[tuple[float, float | None, dict[str, float]]] = []

    def progress(self, done: float, total: float | None, metrics: Mapping[str, float]) -> None:
        self.reports.append((done, total, dict(metrics)))

    def is_cancelled(self) -> bool:
        return self.cancel_after is not None and self.reports[-1][0] >= self.cancel_after

    def artifact_dir(self) -> Path:
        return self.folder

    def checkpoint_dir(self) -> Path:
        return self.folder


@pytest.fixture
def course(tmp_path: Path) -> Iterator[Course]:
    course = Course(tmp_path)
    context.install(course)
    yield course
    context.uninstall()


@pytest.fixture
def unwarmed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "_network", None)


def upload(path: Path) -> deepaas.UploadedFile:
    """Return a file as the server hands it to the model."""
    return deepaas.UploadedFile("data", str(path), "image/png", path.name)


def train(**parameters: Any) -> dict[str, Any]:
    result: dict[str, Any] = api.train(**parameters)
    return result


@pytest.mark.parametrize("name", [*(f"{digit}.png" for digit in range(10)), "scan.jpg"])
def test_every_sample_is_read_right(name: str) -> None:
    answer = api.predict(data=upload(SAMPLES / name))
    assert answer["digit"] == (4 if name == "scan.jpg" else int(name[0]))
    assert sum(answer["probabilities"].values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no image", "neither a PNG nor a JPEG"),
        (b"\x89PNG\r\n\x1a\n", "neither a PNG nor a JPEG"),
        (None, "must be a PNG or JPEG file"),
    ],
)
def test_what_is_no_picture_is_the_clients_mistake(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    file: Any = "text"
    if content is not None:
        (tmp_path / "file").write_bytes(content)
        file = upload(tmp_path / "file")
    with pytest.raises(deepaas.InvalidInput, match=reason):
        api.predict(data=file)


def test_damaged_and_blank_pictures_are_the_clients_mistake(tmp_path: Path) -> None:
    from PIL import Image

    Image.new("L", (20, 20), 255).save(tmp_path / "blank.png")
    (tmp_path / "half.png").write_bytes((SAMPLES / "7.png").read_bytes()[:200])
    for name, reason in (("blank", "blank"), ("half", "damaged")):
        with pytest.raises(deepaas.InvalidInput, match=reason):
            api.predict(data=upload(tmp_path / f"{name}.png"))


def test_every_epoch_is_reported_and_the_artifact_is_the_network_that_was_scored(
    course: Course,
) -> None:
    result = train(epochs=3)
    assert [(done, total) for done, total, _ in course.reports] == [(1, 3), (2, 3), (3, 3)]
    assert course.reports[-1][2]["accuracy"] == result["accuracy"]
    losses = [metrics["loss"] for _, _, metrics in course.reports]
    assert losses == sorted(losses, reverse=True)
    other = api.Training(api.Hyperparameters(), torch.device("cpu"))
    assert other.accuracy() < result["accuracy"]
    other.network.load_state_dict(torch.load(course.folder / result["artifact"]))
    assert other.accuracy() == result["accuracy"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU adds in no fixed order")
def test_a_training_that_was_interrupted_ends_as_one_that_was_not(
    course: Course, tmp_path: Path
) -> None:
    whole = train(epochs=4)
    weights = torch.load(course.folder / whole["artifact"])
    course.folder = tmp_path / "again"
    course.folder.mkdir()
    course.cancel_after = 2
    assert train(epochs=4)["epochs"] == 2
    (course.folder / whole["artifact"]).unlink()
    course.cancel_after = None
    resumed = train(epochs=4)
    assert (resumed["resumed_after"], resumed["epochs"]) == (2, 4)
    assert resumed["accuracy"] == whole["accuracy"]
    for name, tensor in torch.load(course.folder / resumed["artifact"]).items():
        assert torch.equal(tensor, weights[name]), name


@pytest.mark.usefixtures("unwarmed")
def test_the_promoted_network_is_served(course: Course) -> None:
    train(epochs=1, seed=3)
    context.install_model_dir(course.folder)
    try:
        api.warm()
    finally:
        context.install_model_dir(None)
    promoted = torch.load(course.folder / api.ARTIFACT)
    assert api._network is not None
    for name, tensor in api._network.state_dict().items():
        assert torch.equal(tensor.cpu(), promoted[name])


def test_the_default_network_is_a_good_one(course: Course) -> None:
    assert train()["accuracy"] > 0.95
    assert api.get_metadata()["id"] == "torch_cnn"
    assert set(api.get_predict_args()) == {"data"}
