# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The legacy example, served: a package in the dialect of version 2 runs as it did there."""

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from tests.integration.harness import Server, serve

PREDICT = "/v2/models/legacy/predict/"
TRAIN = "/v2/models/legacy/train/"

IMAGE = {
    "in": "formData",
    "name": "image",
    "type": "file",
    "required": True,
    "description": "PNG, JPEG or TIFF image, 8 bits a channel.",
}
SIZE = {
    "in": "query",
    "name": "thumbnail-size",
    "type": "integer",
    "required": False,
    "default": 64,
    "minimum": 8,
    "maximum": 512,
    "description": "Longer side of the thumbnail, in pixels.",
}
COLOUR = {
    "in": "query",
    "name": "colour",
    "type": "string",
    "required": False,
    "default": "RGB",
    "enum": ["L", "RGB"],
    "description": "L for brightness alone, RGB for the three channels.",
}
PERCENTILES = {
    "in": "query",
    "name": "percentiles",
    "type": "array",
    "items": {"type": "number", "minimum": 0, "maximum": 100},
    "collectionFormat": "multi",
    "required": False,
    "default": [5, 50, 95],
    "description": "Percentiles of the brightness.",
}
BBOX = {
    "in": "query",
    "name": "bbox(N,W,S,E)",
    "type": "string",
    "required": False,
    "description": "Part of the image, in pixels from the upper left: north,west,south,east.",
}
ACCEPT = {
    "in": "header",
    "name": "accept",
    "type": "string",
    "required": False,
    "default": "application/json",
    "enum": ["application/json", "application/zip", "image/png", "*/*"],
    "description": "Statistics; all as a zip file; or the thumbnail.",
}
ARCHIVE = {
    "in": "formData",
    "name": "images-zip",
    "type": "file",
    "required": True,
    "description": "Zip file of images, which may lie in folders.",
}
#: What 2.6.0 shows for this package, recorded, but for ``format`` of numbers, which was wrong.
RECORDED = {
    PREDICT: [IMAGE, SIZE, COLOUR, PERCENTILES, BBOX, ACCEPT],
    TRAIN: [ARCHIVE, COLOUR],
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve("legacy", tmp_path_factory.mktemp("legacy")) as running:
        yield running


@pytest.fixture(scope="module")
def gradient() -> bytes:
    """Return a PNG of 256x256 pixels, every grey level a row."""
    content = io.BytesIO()
    Image.linear_gradient("L").save(content, format="PNG")
    return content.getvalue()


def predict(server: Server, image: bytes, accept: str = "*/*", **fields: str) -> Any:
    return server.upload(
        PREDICT, [("image", "image.png", image)], [*fields.items()], {"Accept": accept}
    )


@pytest.mark.parametrize("accept", ["*/*", "application/json", "text/html, application/*;q=0.5"])
def test_statistics_are_json(server: Server, gradient: bytes, accept: str) -> None:
    answer = predict(server, gradient, accept, colour="L")
    assert answer.status == 200
    assert answer.json == {
        "status": "OK",
        "predictions": {
            "width": 256,
            "height": 256,
            "channels": {
                "grey": {
                    "mean": 127.5,
                    "std": pytest.approx(73.9002706),
                    "min": 0,
                    "max": 255,
                    "percentiles": {"5": 12, "50": 127, "95": 243},
                }
            },
        },
    }


def test_everything_is_a_zip_file(server: Server, gradient: bytes) -> None:
    answer = predict(server, gradient, "application/zip")
    assert answer.headers["Content-Type"] == "application/zip"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="image.zip"'
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        assert archive.namelist() == ["statistics.json", "histogram.csv", "thumbnail.png"]
        statistics = json.loads(archive.read("statistics.json"))
    assert statistics == predict(server, gradient).json["predictions"]


def test_the_thumbnail_is_a_png(server: Server, gradient: bytes) -> None:
    answer = predict(server, gradient, "image/png", **{"thumbnail-size": "16"})
    assert answer.headers["Content-Type"] == "image/png"
    with Image.open(io.BytesIO(answer.body)) as thumbnail:
        assert (thumbnail.format, thumbnail.size) == ("PNG", (16, 16))


def test_names_that_python_does_not_have_reach_the_model(server: Server, gradient: bytes) -> None:
    answer = predict(server, gradient, **{"bbox(N,W,S,E)": "10,0,12,9"}).json["predictions"]
    assert (answer["width"], answer["height"]) == (9, 2)
    assert answer["channels"]["red"]["mean"] == 10.5


def test_what_the_model_refuses_is_the_clients_mistake(server: Server, gradient: bytes) -> None:
    answer = predict(server, gradient, colour="CMYK")
    assert (answer.status, answer.text) == (400, "400: 'colour' must be one of L, RGB")
    answer = predict(server, b"no image")
    assert answer.status == 400
    assert "'image': no PNG, JPEG or TIFF image" in answer.text
    # It is answered by the same process, so nothing hangs.
    assert predict(server, gradient).status == 200


def test_what_the_declaration_refuses_is_said_by_name(server: Server) -> None:
    answer = server.request("POST", f"{PREDICT}?thumbnail-size=1")
    assert answer.status == 422
    assert set(answer.json) == {"image", "thumbnail-size"}


def test_it_trains_with_a_file(server: Server, gradient: bytes) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("folder/one.png", gradient)
        archive.writestr("folder/two.png", gradient)
    started = server.upload(TRAIN, [("images-zip", "images.zip", content.getvalue())]).json
    assert started["args"] == {
        "images-zip": ["images-zip", "application/octet-stream", "images.zip"],
        "colour": "RGB",
    }
    ended = server.wait_training("legacy", started["uuid"])
    assert ended["status"] == "done", ended
    assert ended["result"]["output"]["images"] == 2
    assert ended["result"]["output"]["mean"] == pytest.approx(
        {"red": 0.5, "green": 0.5, "blue": 0.5}
    )


def test_a_training_that_refuses_its_file_says_why(server: Server) -> None:
    started = server.upload(TRAIN, [("images-zip", "images.zip", b"no archive")]).json
    ended = server.wait_training("legacy", started["uuid"])
    assert ended["status"] == "error"
    assert "not a zip file" in ended["message"]


#: Headers that version 2 did not know, of routes that it had.
ADDED = {"Idempotency-Key"}


@pytest.mark.parametrize("path", RECORDED)
def test_its_arguments_are_described_as_before(server: Server, path: str) -> None:
    operation = server.get("/swagger.json").json["paths"][path]["post"]
    ours = [
        {key: value for key, value in parameter.items() if not key.startswith("x-")}
        for parameter in operation["parameters"]
        if parameter["name"] not in ADDED
    ]
    assert ours == RECORDED[path]


def test_the_media_types_are_described_as_before(server: Server) -> None:
    operation = server.get("/swagger.json").json["paths"][PREDICT]["post"]
    assert operation["produces"] == ["application/json", "application/zip", "image/png", "*/*"]
