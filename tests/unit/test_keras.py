# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The callback in trainings by Keras itself, with PyTorch below: `make test TORCH=torch`."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

needs_keras = pytest.mark.skipif(
    not (find_spec("keras") and find_spec("torch")), reason="no Keras with PyTorch"
)

BEGIN = """
import json, sys, time
from pathlib import Path
from deepaas.model import context

class Sink:
    reports = []
    cancel_after = float("inf")
    def progress(self, done, total, metrics):
        self.reports.append([done, total, dict(metrics)])
    def checkpoint_dir(self):
        return Path(".")
    def is_cancelled(self):
        return bool(self.reports) and self.reports[-1][0] >= self.cancel_after
sink = Sink()
context.install(sink)

assert "keras" not in sys.modules
import keras
import numpy as np
from deepaas.keras import Progress, last_checkpoint

x = np.linspace(0, 1, 64).reshape(-1, 1)
def made():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.1), "mse")
    return model
def fit(model, epochs, **options):
    options = {"callbacks": [Progress(checkpoints=True)], **options}
    return model.fit(x, 2 * x, epochs=epochs, batch_size=8, verbose=0, **options)
"""
END = "\njson.dump(sink.reports, sys.stdout)\n"


def run(code: str, folder: Path) -> list[Any]:
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + code + END],
        cwd=folder,
        env={**os.environ, "KERAS_BACKEND": "torch", "KERAS_HOME": str(folder / "home")},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    reports: list[Any] = json.loads(done.stdout)
    return reports


@needs_keras
def test_every_epoch_is_reported_with_its_metrics(tmp_path: Path) -> None:
    reports = run("fit(made(), 3, validation_data=(x, 2 * x))", tmp_path)
    whole = [report for report in reports if report[0] in (1, 2, 3)]
    assert [(done, total) for done, total, _ in whole] == [(1, 3), (2, 3), (3, 3)]
    assert all({"loss", "val_loss"} == set(metrics) for _, _, metrics in whole)
    # The first batch, one of eight, is reported at once.
    assert reports[0][:2] == [0.12, 3]
    assert set(reports[0][2]) == {"loss"}


@needs_keras
def test_a_cancelled_training_ends_within_the_epoch(tmp_path: Path) -> None:
    code = """
sink.cancel_after = 1
model = made()
history = fit(model, 1000)
assert model.stop_training
assert len(history.history["loss"]) == 2, history.history
"""
    run(code, tmp_path)
    # The first epoch was done, and cancelled before it could be saved.
    assert list(tmp_path.glob("*.keras")) == []


@needs_keras
def test_a_training_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    code = """
assert last_checkpoint() is None
fit(made(), 2)
last = last_checkpoint()
assert (last.path.name, last.epochs) == ("epoch-00002.keras", 2), last
sink.reports.clear()
model = keras.saving.load_model(last.path)
assert model.optimizer.iterations == 16
fit(model, 3, initial_epoch=last.epochs)
"""
    reports = run(code, tmp_path)
    assert reports[-1][:2] == [3, 3]
    assert min(done for done, _, _ in reports) > 2
    assert [file.name for file in tmp_path.glob("*.keras")] == ["epoch-00003.keras"]


@needs_keras
def test_data_of_unknown_length_are_reported_too(tmp_path: Path) -> None:
    code = """
def batches():
    for _ in range(2): yield x, 2 * x
made().fit(batches(), epochs=1, verbose=0, callbacks=[Progress()])
"""
    reports = run(code, tmp_path)
    assert reports[0][:2] == [0, 1]
    assert reports[-1][:2] == [1, 1]
    assert list(tmp_path.glob("*.keras")) == []


def test_the_keras_of_old_is_used_where_it_was_chosen(tmp_path: Path) -> None:
    """A package of that name stands for ``tf_keras``, which needs TensorFlow."""
    (tmp_path / "tf_keras").mkdir()
    (tmp_path / "tf_keras/__init__.py").touch()
    (tmp_path / "tf_keras/callbacks.py").write_text("class Callback: pass\n")
    program = "import tf_keras, deepaas.keras as k; print(k.Callback.__module__)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "tf_keras.callbacks"
