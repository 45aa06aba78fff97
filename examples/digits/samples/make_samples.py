# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Make the sample pictures from digits that the default network was not trained on.

Run it as ``python samples/make_samples.py``. ``0.png`` to ``9.png`` are the most typical held-out
image of each digit, bright on dark as in the data; ``scan.jpg`` is the next most typical 4 as a
scanner might show it: dark on greyish paper, away from the middle.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from digits_model.classifier import DIGITS, Hyperparameters, split_digits
from PIL import Image

HERE = Path(__file__).parent
SIDE = 160
SCANNED_DIGIT = 4


def enlarge(pixels: npt.NDArray[np.float64]) -> Image.Image:
    """Return 64 pixels of ink 0 to 1 as a smooth picture of 160x160, mode "L"."""
    small = Image.fromarray((pixels.reshape(8, 8) * 255).round().astype(np.uint8))
    return small.resize((SIDE, SIDE), Image.Resampling.BICUBIC)


def scan(digit: Image.Image) -> Image.Image:
    """Return a digit in dark ink on unevenly lit paper of 480x360 pixels, mode "L"."""
    ink = np.zeros((360, 480))
    ink[150 : 150 + SIDE, 60 : 60 + SIDE] = np.asarray(digit) / 255
    paper = np.linspace(225, 195, 480) + np.random.default_rng(0).normal(0, 4, ink.shape)
    return Image.fromarray((paper * (1 - ink) + 45 * ink).clip(0, 255).astype(np.uint8))


def most_typical(images: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return images of shape (n, 64) in order of their distance from their mean."""
    distance: npt.NDArray[np.float64] = np.linalg.norm(images - images.mean(axis=0), axis=1)
    return images[distance.argsort(kind="stable")]


def main() -> None:
    """Write all samples beside this script."""
    split = split_digits(Hyperparameters())
    for digit in DIGITS:
        typical = most_typical(split.test_images[split.test_labels == digit])
        enlarge(typical[0]).save(HERE / f"{digit}.png", optimize=True)
        if digit == SCANNED_DIGIT:
            scan(enlarge(typical[1])).save(HERE / "scan.jpg", quality=85)


if __name__ == "__main__":
    main()
