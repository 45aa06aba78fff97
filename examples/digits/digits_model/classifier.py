# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The learning: data, hyper-parameters and training, epoch by epoch.

The data are the 1797 images that come with scikit-learn, a part of the "Optical Recognition of
Handwritten Digits" set of the UCI repository (E. Alpaydin and C. Kaynak, 1998,
https://doi.org/10.24432/C50P49): 8x8 pixels, ink 0 (none) to 16 (full).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_digits
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

FULL_INK = 16.0
DIGITS = tuple(range(10))
#: The cross-entropy of a digit that the network holds to be impossible would be infinite.
LEAST_PROBABILITY: Final = 1e-15


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """What a training can be told; the defaults are those of the served model."""

    #: Passes over the training part.
    epochs: int = 20
    #: Step size of the Adam optimiser.
    learning_rate: float = 0.005
    #: Images per step.
    batch_size: int = 32
    #: Width of the single hidden layer.
    hidden_units: int = 64
    #: Strength of the L2 penalty.
    alpha: float = 1e-4
    #: Part of the images held out to measure accuracy, 0 to 1.
    test_fraction: float = 0.2
    #: Fixes the split, the initial weights and the order of the images.
    seed: int = 0


class Split(NamedTuple):
    """The data in two parts; images of shape (n, 64), dtype float64, ink 0 to 1."""

    train_images: npt.NDArray[np.float64]
    test_images: npt.NDArray[np.float64]
    #: Shape (n,), dtype int64, 0 to 9; likewise the next.
    train_labels: npt.NDArray[np.int64]
    test_labels: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class EpochScore:
    """How well the network does after an epoch."""

    #: Counts from 1.
    epoch: int
    #: Mean cross-entropy over the training part during the epoch, with the L2 penalty, in nats.
    loss: float
    #: Fraction of the held-out images read right, 0 to 1.
    accuracy: float


@dataclass(frozen=True, slots=True)
class ImagesScore:
    """How well the network does on the images that it has read so far."""

    n_images: int
    #: Mean cross-entropy, in nats; without the penalty.
    loss: float
    #: Fraction read right, 0 to 1.
    accuracy: float


def split_digits(parameters: Hyperparameters) -> Split:
    """Return the bundled images in a training and a held-out part, each with all ten digits."""
    images, labels = load_digits(return_X_y=True)
    parts = train_test_split(
        images / FULL_INK,
        labels,
        test_size=parameters.test_fraction,
        random_state=parameters.seed,
        stratify=labels,
    )
    return Split(*parts)


def new_classifier(parameters: Hyperparameters) -> MLPClassifier:
    """Return an untrained network; after training it takes images as in :class:`Split`."""
    return MLPClassifier(
        hidden_layer_sizes=(parameters.hidden_units,),
        learning_rate_init=parameters.learning_rate,
        batch_size=parameters.batch_size,
        alpha=parameters.alpha,
        random_state=parameters.seed,
    )


def train_epochs(classifier: MLPClassifier, split: Split, epochs: int) -> Iterator[EpochScore]:
    """Train in place; stop iterating to stop the training after the epoch just scored."""
    for epoch in range(1, epochs + 1):
        classifier.partial_fit(split.train_images, split.train_labels, classes=DIGITS)
        guesses = classifier.predict(split.test_images)
        accuracy = float(accuracy_score(split.test_labels, guesses))
        yield EpochScore(epoch, loss=float(classifier.loss_), accuracy=accuracy)


def score_images(
    classifier: MLPClassifier,
    images: npt.NDArray[np.float64],
    labels: npt.NDArray[np.int64],
    batch_size: int = 64,
) -> Iterator[ImagesScore]:
    """Read images, batch by batch, and compare with what they show.

    Args:
        classifier: Trained.
        images: As in :class:`Split`; at least one.
        labels: What they show, in the same order.
        batch_size: Images at once.

    Yields:
        The score over all images read, after each batch.
    """
    right, surprise = 0, 0.0
    for start in range(0, len(labels), batch_size):
        expected = labels[start : start + batch_size]
        probabilities = classifier.predict_proba(images[start : start + batch_size])
        right += int(np.sum(np.argmax(probabilities, axis=1) == expected))
        given = probabilities[np.arange(len(expected)), expected]
        surprise -= float(np.sum(np.log(np.maximum(given, LEAST_PROBABILITY))))
        n_images = start + len(expected)
        yield ImagesScore(n_images, loss=surprise / n_images, accuracy=right / n_images)
