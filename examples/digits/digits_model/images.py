# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""From an uploaded file to the 8x8 grid that the classifier reads, and back to a picture.

The grid is made as the training images were: the digit as high as the grid, its ink bright on a
dark ground, each cell the mean of what it covers.
"""

import io
import struct
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps, UnidentifiedImageError

from deepaas import InvalidInput

GRID: Final = 8
#: A scan of a page of A5 at 600 dots per inch has 17 million.
MAX_PIXELS: Final = 25_000_000
#: More detail than this, in pixels a side, does not change an 8x8 grid.
WORKING_SIZE: Final = 256
#: The least difference between ink and ground, of 255 grey levels.
MIN_CONTRAST: Final = 32
#: Relative ink below the first counts as paper, above the second as full; grain and shadows go.
INK_FLOOR, INK_CEILING = 0.1, 0.9

_PANEL: Final = 256
_CAPTION: Final = 48


def load_image(path: str) -> Image.Image:
    """Decode a file into a small grey picture, upright.

    Args:
        path: PNG or JPEG on local disk; read, never deleted here. Any colour mode; what is
            transparent counts as ground.

    Returns:
        Mode "L", neither side above :data:`WORKING_SIZE` pixels.

    Raises:
        InvalidInput: The bytes are no PNG or JPEG image, are damaged, or the image is too large
            or too small.
    """
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as image:
            _check_size(image)  # The header is read by now, the pixels are not.
            # A JPEG is then decoded at a fraction of its size; has no effect on a PNG.
            image.draft("L", (2 * WORKING_SIZE, 2 * WORKING_SIZE))
            return _shrink_to_grey(image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
        raise InvalidInput(f"The image is too large: {MAX_PIXELS:,} pixels are allowed.") from exc
    except UnidentifiedImageError as exc:
        raise InvalidInput("The file is neither a PNG nor a JPEG image.") from exc
    # Pillow has no single exception for damage; its readers of PNG, JPEG and EXIF raise these.
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as exc:
        raise InvalidInput("The image is damaged and cannot be decoded.") from exc


def to_grid(image: Image.Image) -> npt.NDArray[np.float64]:
    """Find the digit in a picture and bring it to the form of the training images.

    Args:
        image: Mode "L" with one digit, bright on dark or dark on bright, with or without margin.

    Returns:
        Shape (8, 8), dtype float64, ink 0 (none) to 1 (full).

    Raises:
        InvalidInput: The picture is blank.
    """
    ink = _ink(image)
    framed = ink if _is_framed(ink) else _frame(ink)
    grid = Image.fromarray(framed).resize((GRID, GRID), Image.Resampling.BOX)
    return np.asarray(grid, dtype=np.float64)


def annotate(image: Image.Image, grid: npt.NDArray[np.float64], caption: str) -> io.BytesIO:
    """Draw the picture, the grid the classifier saw, and a caption below them.

    Args:
        image: What :func:`load_image` returned.
        grid: What :func:`to_grid` returned.
        caption: One short line.

    Returns:
        A PNG file of 512x304 pixels, at its beginning.
    """
    canvas = Image.new("RGB", (2 * _PANEL, _PANEL + _CAPTION), "white")
    seen = Image.fromarray((grid * 255).astype(np.uint8))
    canvas.paste(ImageOps.pad(image, (_PANEL, _PANEL)), (0, 0))
    canvas.paste(seen.resize((_PANEL, _PANEL), Image.Resampling.NEAREST), (_PANEL, 0))
    ImageDraw.Draw(canvas).text(
        (_PANEL, _PANEL + _CAPTION // 2),
        caption,
        fill="black",
        anchor="mm",
        font=ImageFont.load_default(24),
    )
    file = io.BytesIO()
    canvas.save(file, "PNG")
    file.seek(0)
    return file


def _check_size(image: Image.Image) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise InvalidInput(
            f"The image is too large: {width}x{height}, {MAX_PIXELS:,} pixels are allowed."
        )
    if min(width, height) < GRID:
        raise InvalidInput(
            f"The image is too small: {width}x{height}, it takes {GRID}x{GRID} at least."
        )


def _shrink_to_grey(image: Image.Image) -> Image.Image:
    if image.has_transparency_data:
        return _flatten(image)
    if image.mode.startswith("I"):  # 16 bits; convert() would clip at 255 instead of scaling.
        grey = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    else:
        grey = image.convert("L")
    grey.thumbnail((WORKING_SIZE, WORKING_SIZE))
    return ImageOps.exif_transpose(grey)


def _flatten(image: Image.Image) -> Image.Image:
    """Lay a transparent picture on white where its strokes are dark, else on black."""
    colours = image.convert("RGBA")
    colours.thumbnail((WORKING_SIZE, WORKING_SIZE))
    grey = colours.convert("L")
    opacity = colours.getchannel("A")
    weight = np.asarray(opacity, dtype=np.float64)
    mean = (np.asarray(grey) * weight).sum() / max(weight.sum(), 1.0)
    flat = Image.new("L", grey.size, 255 if mean < 128 else 0)
    flat.paste(grey, mask=opacity)
    return ImageOps.exif_transpose(flat)


def _ink(image: Image.Image) -> npt.NDArray[np.float32]:
    """Return ink 0 to 1 of shape (height, width); the ground is the grey usual at the edges."""
    if min(image.size) >= 8 * GRID:
        image = image.filter(ImageFilter.MedianFilter(3))  # One stray pixel is no ink.
    grey = np.asarray(image, dtype=np.float32)
    ground = np.median(np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]]))
    brighter, darker = grey.max() - ground, ground - grey.min()
    contrast = max(brighter, darker)
    if contrast < MIN_CONTRAST:
        raise InvalidInput("No digit found: the image is blank or has too little contrast.")
    relative = (grey - ground) / (contrast if brighter > darker else -contrast)
    stretched = (relative - INK_FLOOR) / (INK_CEILING - INK_FLOOR)
    return np.asarray(np.clip(stretched, 0, 1), dtype=np.float32)


def _bounds(ink: npt.NDArray[np.float32]) -> tuple[slice, slice]:
    """Return the rows and the columns that the digit takes; there is ink in every picture."""
    marked = ink > 0.3
    rows, columns = np.flatnonzero(marked.any(axis=1)), np.flatnonzero(marked.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _is_framed(ink: npt.NDArray[np.float32]) -> bool:
    """Whether the picture is a square that the digit fills from top to bottom.

    All training images are; cutting one anew would only move it by a fraction of a cell.
    """
    height, width = ink.shape
    rows, _ = _bounds(ink)
    margin = height / (2 * GRID)
    return height == width and bool(rows.start < margin and rows.stop > height - margin)


def _frame(ink: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Cut the digit out into a square, its centre of mass in the middle as far as it fits."""
    digit = ink[_bounds(ink)]
    height, width = digit.shape
    side = max(height, width)
    centre = float(digit.sum(axis=0) @ (np.arange(width) + 0.5) / digit.sum())
    left = min(max(round(side / 2 - centre), 0), side - width)
    top = (side - height) // 2
    square = np.zeros((side, side), dtype=np.float32)
    square[top : top + height, left : left + width] = digit
    return square
