# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A callback for Keras, version 3 or as ``tf.keras``; importing this module imports Keras."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from deepaas.model import context

# Whoever has asked TensorFlow for the Keras of old has imported it by now.
if "tf_keras" in sys.modules:
    from tf_keras.callbacks import Callback
else:
    from keras.callbacks import Callback

_PREFIX, _SUFFIX = "epoch-", ".keras"
#: Between two reports within an epoch; reading the metrics may wait for a GPU.
_REPORT_S = 0.5


class Checkpoint(NamedTuple):
    """A model that was saved between two epochs."""

    #: For ``keras.saving.load_model``; the optimiser's state is in it.
    path: Path
    #: How many epochs were done, for ``initial_epoch``.
    epochs: int


def last_checkpoint() -> Checkpoint | None:
    """Return what :class:`Progress` saved last in :func:`deepaas.checkpoint_dir`, if anything."""
    found = [
        Checkpoint(file, int(file.name[len(_PREFIX) : -len(_SUFFIX)]))
        for file in context.checkpoint_dir().glob(f"{_PREFIX}*{_SUFFIX}")
    ]
    return max(found, key=lambda checkpoint: checkpoint.epochs, default=None)


class Progress(Callback):
    """Reports epochs and metrics, ends a training that is cancelled, and saves checkpoints.

    Progress is in epochs, with the share of the running one behind the point. A cancelled training
    ends after the batch that runs, and ``fit`` returns.

    Args:
        checkpoints: Whether to save the model after each epoch; of the files only the last is kept
            (:func:`last_checkpoint`).
    """

    def __init__(self, *, checkpoints: bool = False) -> None:
        super().__init__()
        self._checkpoints = checkpoints
        self._epoch = 0
        self._reported_s = float("-inf")

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Say that the training looks out for a cancel."""
        context.is_cancelled()

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Note which epoch runs, counted from 0."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Report from time to time, and look out for a cancel."""
        if context.is_cancelled():
            self.model.stop_training = True
        if time.monotonic() - self._reported_s >= _REPORT_S:
            steps = self.params.get("steps")
            share = min((batch + 1) / steps, 1.0) if steps else 0.0
            self._report(round(self._epoch + share, 2), logs)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Report the metrics of the epoch, those of the validation too, and save the model."""
        self._report(epoch + 1, logs)
        # An epoch that was broken off is not done: a resumed training does it again.
        if self._checkpoints and not context.is_cancelled():
            self._save(epoch + 1)

    def _report(self, done: float, logs: Mapping[str, Any] | None) -> None:
        metrics = {name: float(value) for name, value in (logs or {}).items()}
        context.progress(done, self.params.get("epochs"), **metrics)
        self._reported_s = time.monotonic()

    def _save(self, epochs: int) -> None:
        folder = context.checkpoint_dir()
        # Keras goes by the suffix, and half a file must not look like a whole one.
        unfinished = folder / f"unfinished{_SUFFIX}"
        self.model.save(unfinished)
        done = unfinished.rename(folder / f"{_PREFIX}{epochs:05}{_SUFFIX}")
        for file in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
            if file != done:
                file.unlink()
