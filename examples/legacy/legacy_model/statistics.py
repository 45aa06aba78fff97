# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What can be said of the brightness of an image, and of many; 8 bits a channel."""

import csv
import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from typing import IO, Any, NamedTuple

from PIL import Image, ImageOps, ImageStat

#: The colour modes that an image can be looked at in, and their channels.
CHANNELS = {"L": ("grey",), "RGB": ("red", "green", "blue")}
LEVELS = 256
#: A scan of a page of A4 at 400 dots per inch has 15 million; it takes 45 MB as RGB.
MAX_PIXELS = 25_000_000


class Box(NamedTuple):
    """A part of an image, in pixels from its upper left corner; south and east are outside it."""

    north: int
    west: int
    south: int
    east: int


def read(file: str | IO[bytes], colour: str) -> Image.Image:
    """Decode an image, upright.

    Args:
        file: PNG, JPEG or TIFF; a path, or a stream that can seek, which stays open.
        colour: One of :data:`CHANNELS`.

    Raises:
        ValueError: It is no such image, is damaged, too large, or has more than 8 bits a channel.
    """
    try:
        with Image.open(file, formats=("PNG", "JPEG", "TIFF")) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f"more than {MAX_PIXELS:,} pixels")
            if image.mode.startswith(("I", "F")):
                raise ValueError("more than 8 bits a channel")
            return ImageOps.exif_transpose(image).convert(colour)
    # Pillow has no single exception for damage.
    except (OSError, SyntaxError, EOFError, Image.DecompressionBombError) as exc:
        raise ValueError("no PNG, JPEG or TIFF image, or a damaged one") from exc


def crop(image: Image.Image, box: Box) -> Image.Image:
    """Cut a part out.

    Raises:
        ValueError: The box is empty, or not inside the image.
    """
    if not (0 <= box.north < box.south <= image.height and 0 <= box.west < box.east <= image.width):
        raise ValueError(f"outside the image of {image.width}x{image.height} pixels")
    return image.crop((box.west, box.north, box.east, box.south))


def describe(image: Image.Image, percentiles: Sequence[float]) -> dict[str, Any]:
    """Return size, and for each channel mean, standard deviation, extremes and percentiles.

    Brightness goes from 0 to 255. A percentile is the least level that at least so many percent
    of the pixels do not exceed.
    """
    statistics = ImageStat.Stat(image)
    channels = {}
    for index, (name, counts) in enumerate(_histograms(image)):
        lowest, highest = statistics.extrema[index]
        channels[name] = {
            "mean": statistics.mean[index],
            "std": statistics.stddev[index],
            "min": lowest,
            "max": highest,
            "percentiles": {f"{each:g}": _percentile(counts, each) for each in percentiles},
        }
    return {"width": image.width, "height": image.height, "channels": channels}


def thumbnail(image: Image.Image, size: int) -> io.BytesIO:
    """Return a PNG whose longer side has at most ``size`` pixels."""
    small = image.copy()
    small.thumbnail((size, size))
    png = io.BytesIO()
    small.save(png, format="PNG")
    png.seek(0)
    return png


def write_archive(path: str, image: Image.Image, percentiles: Sequence[float], size: int) -> None:
    """Write a zip file with the statistics, the histogram as a table and the thumbnail."""
    table = io.StringIO()
    writer = csv.writer(table)
    names, counts = zip(*_histograms(image), strict=True)
    writer.writerow(["level", *names])
    writer.writerows([level, *row] for level, row in enumerate(zip(*counts, strict=True)))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("statistics.json", json.dumps(describe(image, percentiles)))
        archive.writestr("histogram.csv", table.getvalue())
        archive.writestr("thumbnail.png", thumbnail(image, size).getvalue())


class Normalisation:
    """Mean and standard deviation over all pixels of many images, as networks want them."""

    def __init__(self, colour: str) -> None:
        self.images = 0
        self._names = CHANNELS[colour]
        self._pixels = 0
        self._sums = [0.0] * len(self._names)
        self._squares = [0.0] * len(self._names)

    def add(self, image: Image.Image) -> None:
        """Take an image of this colour mode into account."""
        statistics = ImageStat.Stat(image)
        self.images += 1
        self._pixels += image.width * image.height
        for index in range(len(self._names)):
            self._sums[index] += statistics.sum[index]
            self._squares[index] += statistics.sum2[index]

    def result(self) -> dict[str, Any]:
        """Return both for each channel, brightness from 0 to 1."""
        mean, std = {}, {}
        for name, total, squares in zip(self._names, self._sums, self._squares, strict=True):
            average = total / self._pixels
            mean[name] = average / (LEVELS - 1)
            std[name] = max(squares / self._pixels - average**2, 0) ** 0.5 / (LEVELS - 1)
        return {"images": self.images, "mean": mean, "std": std}


def _histograms(image: Image.Image) -> Iterator[tuple[str, list[int]]]:
    counts = image.histogram()
    for index, name in enumerate(CHANNELS[image.mode]):
        yield name, counts[index * LEVELS : (index + 1) * LEVELS]


def _percentile(counts: Sequence[int], percent: float) -> int:
    wanted = sum(counts) * percent / 100
    seen = 0
    for level, count in enumerate(counts):
        seen += count
        if count and seen >= wanted:
            return level
    raise ValueError("an image without pixels has no percentiles")
