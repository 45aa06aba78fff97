# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""From an uploaded picture to the 8x8 image that the network reads."""

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from deepaas import InvalidInput

SIDE = 8
#: Relative ink below this is paper, and what differs less from the paper than this is no ink.
_PAPER, _LEAST_CONTRAST = 0.2, 32


def read_picture(path: str) -> npt.NDArray[np.float32]:
    """Find the digit in a picture and bring it to the form of the training images.

    Args:
        path: PNG or JPEG of one digit, bright on dark or dark on bright; read, never deleted here.

    Returns:
        Shape (8, 8), ink 0 (none) to 1 (full).

    Raises:
        InvalidInput: It is no picture, or it is blank.
    """
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as image:
            image.thumbnail((256, 256))
            grey = np.asarray(image.convert("L"), dtype=np.float32)
    except UnidentifiedImageError as exc:
        raise InvalidInput("The file is neither a PNG nor a JPEG image.") from exc
    except (OSError, SyntaxError, ValueError) as exc:
        raise InvalidInput("The image is damaged and cannot be decoded.") from exc
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    ink = np.abs(grey - np.median(border))
    if ink.max() < _LEAST_CONTRAST:
        raise InvalidInput("The picture is blank.")
    ink /= ink.max()
    ink[ink < _PAPER] = 0
    return _fill(ink)


def _fill(ink: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Cut the digit out, as high as the image and in the middle of it."""
    rows, columns = np.nonzero(ink.any(axis=1))[0], np.nonzero(ink.any(axis=0))[0]
    digit = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = digit.shape
    side = max(height, width)
    square = np.zeros((side, side), dtype=np.float32)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = digit
    return np.asarray(Image.fromarray(square).resize((SIDE, SIDE), Image.Resampling.BOX))
