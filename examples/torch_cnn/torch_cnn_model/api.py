# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The functions that DEEPaaS calls."""

import logging
from dataclasses import asdict
from typing import Any

import torch
from marshmallow import fields, validate

import deepaas
from torch_cnn_model import __version__
from torch_cnn_model.network import (
    DIGITS,
    Hyperparameters,
    Training,
    best_device,
    new_network,
)
from torch_cnn_model.pictures import read_picture

logger = logging.getLogger(__name__)

#: What a training leaves: the weights, and what the next attempt needs if it is interrupted.
ARTIFACT = "weights.pt"
CHECKPOINT = "last.pt"
DEFAULTS = Hyperparameters()

#: An interrupted training goes on from its checkpoint.
training = deepaas.Training(resumable=True)

#: The network that answers, set by :func:`warm`; it lives as long as the worker process.
_network: torch.nn.Module | None = None


def get_metadata() -> dict[str, Any]:
    """Say what the model is."""
    return {
        "id": "torch_cnn",
        "name": "Handwritten digits in PyTorch",
        "summary": "Reads a handwritten digit from a picture, with a convolutional network.",
        "description": (
            "A small convolutional network for pictures of one handwritten digit. Its trainings use"
            " a GPU where there is one, and go on from their last epoch after an interruption."
        ),
        "author": "The DEEPaaS developers",
        "license": "Apache-2.0",
        "version": __version__,
    }


def warm() -> None:
    """Load the weights of the training that was promoted, else train in a few seconds."""
    global _network
    if _network is not None:
        return
    device = best_device()
    promoted = deepaas.model_dir()
    if promoted is not None:
        network = new_network()
        weights = torch.load(promoted / ARTIFACT, map_location="cpu", weights_only=True)
        network.load_state_dict(weights)
    else:
        training = Training(DEFAULTS, device)
        *_, last = training.epochs()
        logger.info("Default network ready, accuracy %.3f.", last.accuracy)
        network = training.network
    _network = network.to(device).eval()


def get_predict_args() -> dict[str, fields.Field]:
    """Declare what a client sends."""
    return {
        "data": fields.Raw(
            required=True,
            metadata={
                "type": "file",
                "location": "form",
                "description": "PNG or JPEG picture of one handwritten digit.",
            },
        ),
    }


def predict(data: deepaas.UploadedFile) -> dict[str, Any]:
    """Read the digit in a picture.

    Args:
        data: PNG or JPEG file; read, never deleted here.

    Returns:
        The digit, and the probability of each digit from 0 to 1 (together 1).

    Raises:
        InvalidInput: There is no picture, or no digit in it.
    """
    path = getattr(data, "filename", None)  # A form's text part arrives as plain text.
    if path is None:
        raise deepaas.InvalidInput("'data' must be a PNG or JPEG file.")
    warm()  # Does something only where the server was told not to.
    assert _network is not None
    device = next(_network.parameters()).device
    image = torch.tensor(read_picture(path)).reshape(1, 1, 8, 8).to(device)
    with torch.inference_mode():
        probabilities = _network(image).softmax(dim=1)[0].tolist()
    return {
        "digit": max(range(DIGITS), key=probabilities.__getitem__),
        "probabilities": {str(digit): value for digit, value in enumerate(probabilities)},
    }


def get_train_args() -> dict[str, fields.Field]:
    """Declare the hyper-parameters."""
    return {
        "epochs": fields.Int(
            load_default=DEFAULTS.epochs,
            validate=validate.Range(1, 10_000),
            metadata={"description": "Passes over the training images."},
        ),
        "learning_rate": fields.Float(
            load_default=DEFAULTS.learning_rate,
            validate=validate.Range(1e-6, 0.1),
            metadata={"description": "Step size of the Adam optimiser."},
        ),
        "batch_size": fields.Int(
            load_default=DEFAULTS.batch_size,
            validate=validate.Range(1, 1437),
            metadata={"description": "Images per step."},
        ),
        "seed": fields.Int(
            load_default=DEFAULTS.seed,
            validate=validate.Range(0, 2**32 - 1),
            metadata={"description": "Fixes everything random; on a CPU: same seed, same result."},
        ),
    }


def train(**hyperparameters: Any) -> dict[str, Any]:
    """Train a network of its own, going on from a checkpoint if there is one.

    Args:
        hyperparameters: Any of the fields of :class:`~torch_cnn_model.network.Hyperparameters`.

    Returns:
        Accuracy on the held-out images (0 to 1), epochs done in all (fewer than asked for where the
        training was cancelled) and before this attempt, the device, the name of the file in the
        artifact directory, and the hyper-parameters.
    """
    parameters = Hyperparameters(**hyperparameters)
    training = Training(parameters, best_device())
    checkpoint = deepaas.checkpoint_dir() / CHECKPOINT
    if checkpoint.exists():
        training.load(checkpoint)
        print(f"Going on after epoch {training.epoch}.")
    resumed_after = training.epoch
    for score in training.epochs():
        training.save(checkpoint)
        deepaas.progress(score.epoch, parameters.epochs, loss=score.loss, accuracy=score.accuracy)
        print(f"epoch {score.epoch}: loss {score.loss:.4f}, accuracy {score.accuracy:.4f}")
        if deepaas.is_cancelled():
            print("Cancelled.")
            break
    torch.save(training.network.state_dict(), deepaas.artifact_dir() / ARTIFACT)
    return {
        "accuracy": training.accuracy(),
        "epochs": training.epoch,
        "resumed_after": resumed_after,
        "device": str(best_device()),
        "artifact": ARTIFACT,
        "parameters": asdict(parameters),
    }
