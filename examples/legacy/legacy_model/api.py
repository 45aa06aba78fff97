# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The functions that DEEPaaS calls, all in the dialect of version 2.

Defaults are ``missing=``, metadata are keywords, files have ``location="form", type="file"``, and a
client's mistake is an exception of aiohttp. New packages are written as the other examples are.
"""

import io
import os
import tempfile
import zipfile
from typing import Any

from aiohttp import web
from PIL import Image
from webargs import fields, validate

from deepaas.model.v2.wrapper import UploadedFile
from legacy_model import statistics

#: The name has what a Python name cannot have, so the functions take ``**kwargs``.
BBOX = "bbox(N,W,S,E)"

#: Where the zip files are made; set by :func:`warm`, removed when the process ends.
_folder: tempfile.TemporaryDirectory[str] | None = None


def get_metadata() -> dict[str, Any]:
    """Say what the model is."""
    return {
        "name": "Statistics of an image",
        "summary": "Brightness of an image, channel by channel, with a thumbnail.",
        "author": "The DEEPaaS developers",
        "license": "Apache-2.0",
        "version": "1.0.0",
    }


def warm() -> None:
    """Make the folder for what is returned as a file; a second call does nothing."""
    global _folder
    if _folder is None:
        _folder = tempfile.TemporaryDirectory(prefix="legacy-")


def get_predict_args() -> dict[str, fields.Field]:
    """Declare what a client may send with an image."""
    return {
        "image": fields.Field(
            required=True,
            type="file",
            location="form",
            description="PNG, JPEG or TIFF image, 8 bits a channel.",
        ),
        "thumbnail-size": fields.Int(
            missing=64,
            validate=validate.Range(8, 512),
            description="Longer side of the thumbnail, in pixels.",
        ),
        "colour": fields.Str(
            missing="RGB",
            enum=list(statistics.CHANNELS),
            description="L for brightness alone, RGB for the three channels.",
        ),
        "percentiles": fields.List(
            fields.Float(validate=validate.Range(0, 100)),
            missing=[5, 50, 95],
            description="Percentiles of the brightness.",
        ),
        BBOX: fields.Str(
            description="Part of the image, in pixels from the upper left: north,west,south,east.",
        ),
        "accept": fields.Str(
            missing="application/json",
            location="headers",
            validate=validate.OneOf(["application/json", "application/zip", "image/png"]),
            description="Statistics; all as a zip file; or the thumbnail.",
        ),
    }


def predict(**kwargs: Any) -> dict[str, Any] | io.BufferedReader | io.BytesIO:
    """Describe an image.

    Returns:
        The statistics, see :func:`legacy_model.statistics.describe`; the thumbnail as a PNG; or an
        open zip file with both and the histogram.

    Raises:
        web.HTTPBadRequest: The image cannot be read, or an argument does not fit it.
    """
    image = _read_image(_uploaded("image", kwargs["image"]), _colour(kwargs["colour"]))
    if BBOX in kwargs:
        image = _crop(image, kwargs[BBOX])
    if kwargs["accept"] == "image/png":
        return statistics.thumbnail(image, kwargs["thumbnail-size"])
    if kwargs["accept"] == "application/zip":
        path = _archive_path()
        statistics.write_archive(path, image, kwargs["percentiles"], kwargs["thumbnail-size"])
        return open(path, "rb")
    return statistics.describe(image, kwargs["percentiles"])


def get_train_args() -> dict[str, fields.Field]:
    """Declare what a training takes."""
    return {
        "images-zip": fields.Field(
            required=True,
            type="file",
            location="form",
            description="Zip file of images, which may lie in folders.",
        ),
        "colour": fields.Str(
            missing="RGB",
            enum=list(statistics.CHANNELS),
            description="L for brightness alone, RGB for the three channels.",
        ),
    }


def train(**kwargs: Any) -> dict[str, Any]:
    """Learn how to normalise images: mean and standard deviation over all their pixels.

    Returns:
        Number of images, and for each channel ``mean`` and ``std``, brightness from 0 to 1.

    Raises:
        web.HTTPBadRequest: There is no zip file, no image in it, or one that cannot be read.
    """
    file = _uploaded("images-zip", kwargs["images-zip"])
    colour = _colour(kwargs["colour"])
    normalisation = statistics.Normalisation(colour)
    try:
        with zipfile.ZipFile(file.filename or "") as archive:
            for name in archive.namelist():
                if name.endswith("/"):
                    continue
                print(f"Reading {name}")
                with archive.open(name) as member:
                    normalisation.add(statistics.read(member, colour))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as exc:
        raise web.HTTPBadRequest(reason=f"'images-zip': {_line(exc)}") from exc
    except ValueError as exc:
        raise web.HTTPBadRequest(reason=f"'images-zip': {name!a}: {exc}") from exc
    if not normalisation.images:
        raise web.HTTPBadRequest(reason="'images-zip': there is no image in it")
    return normalisation.result()


def _uploaded(name: str, value: Any) -> UploadedFile:
    if not isinstance(value, UploadedFile):  # A form's text part arrives as plain text.
        raise web.HTTPBadRequest(reason=f"'{name}' must be a file")
    return value


def _read_image(file: UploadedFile, colour: str) -> Image.Image:
    try:
        return statistics.read(file.filename or "", colour)
    except ValueError as exc:
        raise web.HTTPBadRequest(reason=f"'image': {exc}") from exc


def _colour(value: str) -> str:
    # An enum in a declaration is shown to clients and checks nothing.
    if value not in statistics.CHANNELS:
        raise web.HTTPBadRequest(reason=f"'colour' must be one of {', '.join(statistics.CHANNELS)}")
    return value


def _crop(image: Image.Image, text: str) -> Image.Image:
    try:
        north, west, south, east = (int(part) for part in text.split(","))
    except ValueError as exc:
        raise web.HTTPBadRequest(reason=f"'{BBOX}' must be four integers with commas") from exc
    try:
        return statistics.crop(image, statistics.Box(north, west, south, east))
    except ValueError as exc:
        raise web.HTTPBadRequest(reason=f"'{BBOX}': {exc}") from exc


def _archive_path() -> str:
    """Return the path of the zip file, which takes the place of the one of the call before."""
    warm()  # Does something only where the server was told not to.
    assert _folder is not None
    path = os.path.join(_folder.name, "image.zip")
    if os.path.exists(path):
        os.remove(path)  # One that is still being sent stays as it is.
    return path


def _line(exc: Exception) -> str:
    return " ".join(str(exc).split())
