# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Asks whether it is cancelled, and saves what it has before it ends."""

import multiprocessing
import time
from pathlib import Path
from typing import Any

from webargs import fields

import deepaas


def get_train_args() -> dict[str, Any]:
    return {"started": fields.Str(required=True)}


def train(started: str) -> str:
    deepaas.is_cancelled()
    loader = multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,))
    loader.start()
    Path(started).touch()
    while not deepaas.is_cancelled():
        time.sleep(0.01)
    # A data loader that the signal had ended would end the training before it could save.
    assert loader.is_alive()
    loader.terminate()
    loader.join()
    (deepaas.checkpoint_dir() / "saved").write_text("all of it")
    return "saved"
