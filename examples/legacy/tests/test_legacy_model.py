# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The legacy model measures images right, and says what is wrong with others."""

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from legacy_model import api, statistics
from marshmallow import Schema, ValidationError
from PIL import Image

from deepaas.model.v2.wrapper import UploadedFile

# The dialect of version 2 is what this example shows, and marshmallow calls it deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::marshmallow.warnings.Marshmallow4Warning")


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Begin without the folder for returned files, and remove it at the end."""
    monkeypatch.setattr(api, "_folder", None)
    yield
    if api._folder is not None:
        api._folder.cleanup()


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """Return a PNG of 4x2 pixels: the left half red, the right half black."""
    image = Image.new("RGB", (4, 2))
    image.paste((255, 0, 0), (0, 0, 2, 2))
    image.save(tmp_path / "half.png")
    return tmp_path / "half.png"


def upload(name: str, path: Path) -> UploadedFile:
    """Return a file as the server hands it to the model."""
    return UploadedFile(name, str(path), "application/octet-stream", path.name)


def load(declared: dict[str, Any], **arguments: Any) -> Any:
    """Validate arguments as the server does before it calls the model."""
    return Schema.from_dict(declared)().load(arguments)


def predict(path: Path, **arguments: Any) -> Any:
    """Predict with the defaults for what is not given."""
    return api.predict(**load(api.get_predict_args(), image=upload("image", path), **arguments))


def train(path: Path, **arguments: Any) -> Any:
    """Train with the defaults for what is not given."""
    file = {"images-zip": upload("images-zip", path)}
    return api.train(**load(api.get_train_args(), **file, **arguments))


def archive(path: Path, *members: tuple[str, bytes]) -> Path:
    """Write a zip file."""
    with zipfile.ZipFile(path, "w") as made:
        for name, content in members:
            made.writestr(name, content)
    return path


def test_metadata_has_the_usual_keys() -> None:
    metadata = api.get_metadata()
    assert {"name", "summary", "author", "license", "version"} <= set(metadata)
    json.dumps(metadata)


def test_every_channel_is_described(picture: Path) -> None:
    answer = predict(picture)
    assert (answer["width"], answer["height"]) == (4, 2)
    assert answer["channels"]["red"] == {
        "mean": 127.5,
        "std": 127.5,
        "min": 0,
        "max": 255,
        "percentiles": {"5": 0, "50": 0, "95": 255},
    }
    assert answer["channels"]["blue"]["max"] == 0
    json.dumps(answer)


def test_the_ends_of_the_percentiles_are_the_extremes(tmp_path: Path) -> None:
    Image.linear_gradient("L").save(tmp_path / "grey.tiff")
    answer = predict(tmp_path / "grey.tiff", colour="L", percentiles=[0, 50, 100])
    assert answer["channels"]["grey"]["percentiles"] == {"0": 0, "50": 127, "100": 255}


def test_a_box_cuts_a_part_out(picture: Path) -> None:
    answer = predict(picture, **{api.BBOX: "0,0,2,2"})
    assert (answer["width"], answer["height"]) == (2, 2)
    assert answer["channels"]["red"]["min"] == 255


def test_the_thumbnail_is_a_png_that_fits(tmp_path: Path) -> None:
    Image.new("RGB", (300, 100)).save(tmp_path / "wide.jpg")
    answer = predict(tmp_path / "wide.jpg", accept="image/png", **{"thumbnail-size": 30})
    with Image.open(answer) as thumbnail:
        assert (thumbnail.format, thumbnail.size) == ("PNG", (30, 10))


def test_the_zip_file_has_everything(picture: Path) -> None:
    answer = predict(picture, accept="application/zip")
    assert isinstance(answer, io.BufferedReader)
    with answer, zipfile.ZipFile(answer) as made:
        assert json.loads(made.read("statistics.json")) == predict(picture)
        rows = list(csv.reader(io.StringIO(made.read("histogram.csv").decode())))
        assert made.read("thumbnail.png") == predict(picture, accept="image/png").getvalue()
    assert rows[0] == ["level", "red", "green", "blue"]
    assert (rows[1], rows[256]) == (["0", "4", "8", "8"], ["255", "4", "0", "0"])


def test_a_zip_file_that_is_still_read_outlives_the_next(picture: Path) -> None:
    with predict(picture, accept="application/zip") as first:
        with predict(picture, accept="application/zip", percentiles=[1]) as second:
            assert first.read() != second.read()
        first.seek(0)
        assert zipfile.ZipFile(first).testzip() is None


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_image_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "image.png").write_bytes(content)
    with pytest.raises(web.HTTPBadRequest, match="no PNG, JPEG or TIFF image"):
        predict(tmp_path / "image.png")


def test_sixteen_bits_are_refused_and_not_clipped(tmp_path: Path) -> None:
    Image.new("I;16", (4, 4), 40_000).save(tmp_path / "deep.png")
    with pytest.raises(web.HTTPBadRequest, match="more than 8 bits"):
        predict(tmp_path / "deep.png")


def test_a_large_image_is_refused(picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "MAX_PIXELS", 7)
    with pytest.raises(web.HTTPBadRequest, match="more than 7 pixels"):
        predict(picture)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"colour": "CMYK"}, "'colour' must be one of L, RGB"),
        ({api.BBOX: "1,2,3"}, "four integers"),
        ({api.BBOX: "0,0,3,3"}, "outside the image of 4x2"),
        ({api.BBOX: "1,1,1,2"}, "outside the image"),
    ],
)
def test_arguments_that_the_model_checks(picture: Path, wrong: dict[str, str], reason: str) -> None:
    with pytest.raises(web.HTTPBadRequest, match=reason):
        predict(picture, **wrong)


@pytest.mark.parametrize(
    "wrong",
    [{"thumbnail-size": 7}, {"percentiles": [101]}, {"accept": "text/csv"}],
)
def test_arguments_that_the_declaration_checks(picture: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refusal:
        predict(picture, **wrong)
    assert isinstance(refusal.value.messages, dict)
    assert set(refusal.value.messages) == set(wrong)


def test_text_in_place_of_a_file_is_refused() -> None:
    with pytest.raises(web.HTTPBadRequest, match="'image' must be a file"):
        api.predict(**load(api.get_predict_args(), image="half.png"))


def test_a_training_measures_all_pixels_of_all_images(picture: Path, tmp_path: Path) -> None:
    white = io.BytesIO()
    Image.new("RGB", (2, 4), "white").save(white, format="PNG")
    images = archive(
        tmp_path / "images.zip",
        ("folder/", b""),
        ("folder/half.png", picture.read_bytes()),
        ("white.png", white.getvalue()),
    )
    result = train(images)
    assert result["images"] == 2
    assert result["mean"] == {"red": 0.75, "green": 0.5, "blue": 0.5}
    assert result["std"] == pytest.approx({"red": 0.1875**0.5, "green": 0.5, "blue": 0.5})


def test_archives_that_cannot_be_learnt_from(picture: Path, tmp_path: Path) -> None:
    with pytest.raises(web.HTTPBadRequest, match="not a zip file"):
        train(picture)
    with pytest.raises(web.HTTPBadRequest, match="no image in it"):
        train(archive(tmp_path / "empty.zip"))
    with pytest.raises(web.HTTPBadRequest, match=r"'notes\.txt': no PNG"):
        train(archive(tmp_path / "notes.zip", ("notes.txt", b"text")))
