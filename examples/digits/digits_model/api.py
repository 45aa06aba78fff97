# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The functions that DEEPaaS calls."""

import io
import logging
from dataclasses import asdict
from typing import Any

import joblib
from marshmallow import fields, validate
from sklearn.neural_network import MLPClassifier

from deepaas import (
    InvalidInput,
    UploadedFile,
    artifact_dir,
    is_cancelled,
    model_dir,
    progress,
)
from digits_model import __version__, images
from digits_model.classifier import (
    DIGITS,
    Hyperparameters,
    new_classifier,
    score_images,
    split_digits,
    train_epochs,
)

logger = logging.getLogger(__name__)

#: Name of the file that a training leaves: the network, written by joblib.
ARTIFACT = "digits.joblib"
DEFAULTS = Hyperparameters()

#: The network that answers, set by :func:`warm`; it lives as long as the worker process.
_classifier: MLPClassifier | None = None


def get_metadata() -> dict[str, Any]:
    """Say what the model is."""
    return {
        "id": "digits",
        "name": "Handwritten digits",
        "summary": "Reads a handwritten digit from a picture.",
        "description": (
            "A small neural network for pictures of one handwritten digit, trained on the 8x8"
            " images that come with scikit-learn. It can be trained again with other parameters."
        ),
        "author": "The DEEPaaS developers",
        "license": "Apache-2.0",
        "version": __version__,
    }


def warm() -> None:
    """Load the network that was promoted, else train the default one in about a second.

    A second call does nothing.
    """
    global _classifier
    if _classifier is not None:
        return
    promoted = model_dir()
    if promoted is not None:
        _classifier = joblib.load(promoted / ARTIFACT)
        return
    classifier = new_classifier(DEFAULTS)
    *_, last = train_epochs(classifier, split_digits(DEFAULTS), DEFAULTS.epochs)
    logger.info("Default digits network ready, accuracy %.3f.", last.accuracy)
    _classifier = classifier


def get_predict_args() -> dict[str, fields.Field]:
    """Declare what a client may send with a picture."""
    return {
        "data": fields.Raw(
            required=True,
            metadata={
                "type": "file",
                "location": "form",
                "description": "PNG or JPEG picture of one handwritten digit.",
            },
        ),
        "accept": fields.Str(
            load_default="application/json",
            validate=validate.OneOf(["application/json", "image/png"]),
            metadata={
                "location": "headers",
                "description": "The digit and its probabilities, or an annotated picture.",
            },
        ),
    }


def predict(data: UploadedFile, accept: str = "application/json") -> dict[str, Any] | io.BytesIO:
    """Read the digit in a picture.

    Args:
        data: PNG or JPEG file; read, never deleted here.
        accept: ``application/json`` or ``image/png``.

    Returns:
        The digit, and the probability of each digit from 0 to 1 (together 1); or a PNG file that
        shows them with what the network saw.

    Raises:
        InvalidInput: There is no picture, or no digit in it.
    """
    path = getattr(data, "filename", None)  # A form's text part arrives as plain text.
    if path is None:
        raise InvalidInput("'data' must be a PNG or JPEG file.")
    warm()  # Does something only where the server was told not to.
    assert _classifier is not None
    image = images.load_image(path)
    grid = images.to_grid(image)
    probabilities = [float(value) for value in _classifier.predict_proba(grid.reshape(1, -1))[0]]
    digit = max(DIGITS, key=lambda candidate: probabilities[candidate])
    if accept == "image/png":
        return images.annotate(image, grid, f"{digit}  ({probabilities[digit]:.0%})")
    return {
        "digit": digit,
        "probabilities": {str(label): probabilities[label] for label in DIGITS},
    }


def get_train_args() -> dict[str, fields.Field]:
    """Declare the hyper-parameters."""
    return {
        "epochs": fields.Int(
            load_default=DEFAULTS.epochs,
            validate=validate.Range(1, 1000),
            metadata={"description": "Passes over the training images."},
        ),
        "learning_rate": fields.Float(
            load_default=DEFAULTS.learning_rate,
            validate=validate.Range(1e-6, 0.1),
            metadata={"description": "Step size of the Adam optimiser."},
        ),
        "batch_size": fields.Int(
            load_default=DEFAULTS.batch_size,
            validate=validate.Range(1, 512),
            metadata={"description": "Images per step."},
        ),
        "hidden_units": fields.Int(
            load_default=DEFAULTS.hidden_units,
            validate=validate.Range(1, 1024),
            metadata={"description": "Width of the hidden layer."},
        ),
        "alpha": fields.Float(
            load_default=DEFAULTS.alpha,
            validate=validate.Range(0, 10),
            metadata={"description": "Strength of the L2 penalty."},
        ),
        **_split_args(),
    }


def _split_args() -> dict[str, fields.Field]:
    """Declare what decides which images are held out."""
    return {
        "test_fraction": fields.Float(
            load_default=DEFAULTS.test_fraction,
            validate=validate.Range(0.05, 0.5),
            metadata={"description": "Part of the images held out to measure accuracy."},
        ),
        "seed": fields.Int(
            load_default=DEFAULTS.seed,
            validate=validate.Range(0, 2**32 - 1),
            metadata={"description": "Fixes everything random; same seed, same result."},
        ),
    }


def train(**hyperparameters: Any) -> dict[str, Any]:
    """Train a network of its own; it answers predictions once it is promoted.

    Args:
        hyperparameters: Any of the fields of :class:`~digits_model.classifier.Hyperparameters`.

    Returns:
        Accuracy on the held-out images (0 to 1), last loss, epochs done (fewer than asked for
        where the training was cancelled), number of images in either part, name of the file in
        the artifact directory, and the hyper-parameters.
    """
    parameters = Hyperparameters(**hyperparameters)
    split = split_digits(parameters)
    classifier = new_classifier(parameters)
    for score in train_epochs(classifier, split, parameters.epochs):
        progress(score.epoch, parameters.epochs, accuracy=score.accuracy, loss=score.loss)
        if is_cancelled():
            logger.info("Cancelled after epoch %d of %d.", score.epoch, parameters.epochs)
            break
    joblib.dump(classifier, artifact_dir() / ARTIFACT)
    return {
        "accuracy": score.accuracy,
        "loss": score.loss,
        "epochs": score.epoch,
        "n_train": len(split.train_labels),
        "n_test": len(split.test_labels),
        "artifact": ARTIFACT,
        "parameters": asdict(parameters),
    }


def get_evaluate_args() -> dict[str, fields.Field]:
    """Declare which images to read: those that a training with the same values has not seen."""
    return _split_args()


def evaluate(test_fraction: float, seed: int) -> dict[str, Any]:
    """Measure the network that is served, or the version that is asked for, on held-out images.

    Args:
        test_fraction: Part of the images that is read, 0.05 to 0.5.
        seed: Decides which.

    Returns:
        Accuracy (0 to 1), loss (mean cross-entropy in nats), and the number of images read, fewer
        than there are where the evaluation was cancelled.
    """
    warm()  # Does something only where the server was told not to.
    assert _classifier is not None
    split = split_digits(Hyperparameters(test_fraction=test_fraction, seed=seed))
    for score in score_images(_classifier, split.test_images, split.test_labels):
        progress(score.n_images, len(split.test_labels), accuracy=score.accuracy, loss=score.loss)
        if is_cancelled():
            break
    return {"accuracy": score.accuracy, "loss": score.loss, "n_test": score.n_images}
