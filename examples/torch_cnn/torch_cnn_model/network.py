# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The network, its data, and a training that can be interrupted after any epoch.

The data are the 1797 images of 8x8 pixels that come with scikit-learn
(https://doi.org/10.24432/C50P49).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

FULL_INK = 16.0
DIGITS = 10


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """What a training can be told."""

    #: Passes over the training images.
    epochs: int = 10
    #: Step size of the Adam optimiser.
    learning_rate: float = 0.003
    #: Images per step.
    batch_size: int = 64
    #: Fixes the split, the initial weights and the order of the images.
    seed: int = 0


class Data(NamedTuple):
    """The images in two parts: float32 of shape (n, 1, 8, 8), ink 0 to 1; labels 0 to 9."""

    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor


@dataclass(frozen=True, slots=True)
class Score:
    """How well the network does after an epoch."""

    #: Counts from 1.
    epoch: int
    #: Mean cross-entropy over the training images during the epoch, in nats.
    loss: float
    #: Fraction of the held-out images read right, 0 to 1.
    accuracy: float


def best_device() -> torch.device:
    """Return the GPU if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def new_network() -> nn.Module:
    """Return an untrained network: images as in :class:`Data` to ten logits."""
    return nn.Sequential(
        nn.Conv2d(1, 16, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * 4 * 4, 64),
        nn.ReLU(),
        nn.Linear(64, DIGITS),
    )


def load_data(seed: int, device: torch.device) -> Data:
    """Return the images on a device, one in five held out."""
    images, labels = load_digits(return_X_y=True)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    x = torch.tensor(images / FULL_INK, dtype=torch.float32).reshape(-1, 1, 8, 8)[order].to(device)
    y = torch.tensor(labels)[order].to(device)
    held_out = len(y) // 5
    return Data(x[held_out:], y[held_out:], x[:held_out], y[:held_out])


class Training:
    """A network in training; all that it needs to go on is in :meth:`save`.

    Args:
        parameters: The same ones for a training that goes on.
        device: Where it computes.
    """

    def __init__(self, parameters: Hyperparameters, device: torch.device) -> None:
        # A network as small as this loses by threads what it gains; and sums stay in order.
        torch.set_num_threads(1)
        self._parameters = parameters
        self._data = load_data(parameters.seed, device)
        torch.manual_seed(parameters.seed)
        self.network = new_network().to(device)
        self._optimiser = torch.optim.Adam(self.network.parameters(), lr=parameters.learning_rate)
        self._order = torch.Generator().manual_seed(parameters.seed)
        #: Epochs done.
        self.epoch = 0

    def epochs(self) -> Iterator[Score]:
        """Train, epoch by epoch, those that are left; stop iterating to stop."""
        while self.epoch < self._parameters.epochs:
            loss = self._train_once()
            self.epoch += 1
            yield Score(self.epoch, loss, self.accuracy())

    def _train_once(self) -> float:
        images, labels = self._data.train_images, self._data.train_labels
        order = torch.randperm(len(labels), generator=self._order)
        total = 0.0
        self.network.train()
        for batch in order.split(self._parameters.batch_size):
            chosen = batch.to(images.device)
            loss = nn.functional.cross_entropy(self.network(images[chosen]), labels[chosen])
            self._optimiser.zero_grad()
            loss.backward()
            self._optimiser.step()
            total += float(loss.detach()) * len(batch)
        return total / len(labels)

    def accuracy(self) -> float:
        """Return the fraction of the held-out images that are read right."""
        self.network.eval()
        with torch.inference_mode():
            guesses = self.network(self._data.test_images).argmax(dim=1)
        return float((guesses == self._data.test_labels).float().mean())

    def save(self, path: Path) -> None:
        """Write a checkpoint; whatever happens meanwhile, ``path`` is a whole one or the last."""
        unfinished = path.with_suffix(".unfinished")
        torch.save(
            {
                "epoch": self.epoch,
                "network": self.network.state_dict(),
                "optimiser": self._optimiser.state_dict(),
                "order": self._order.get_state(),
            },
            unfinished,
        )
        unfinished.rename(path)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint, as if nothing had happened."""
        state = torch.load(path, map_location="cpu", weights_only=True)
        self.network.load_state_dict(state["network"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._order.set_state(state["order"])
        self.epoch = state["epoch"]
