# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Predicts what it was trained to say, from the artifacts of the version that is served.

What is to go wrong when a version is loaded stands in its artifact too.
"""

import os
import signal
import time
from pathlib import Path

from webargs import fields

import deepaas

said = "nothing"


def _wait_for(gate: str) -> None:
    while gate and not Path(gate).exists():
        time.sleep(0.01)


def warm() -> None:
    global said
    folder = deepaas.model_dir()
    if folder is None:
        return
    said, how, gate, noted = (folder / "weights" / "said").read_text().split("\n")
    if noted:
        with open(noted, "a") as file:
            file.write(f"{os.getpid()}\n")
    _wait_for(gate)
    if how == "raise":
        raise ValueError("these weights are of no use")
    if how == "memory":
        raise MemoryError("no room for the weights")
    if how == "die":
        os.kill(os.getpid(), signal.SIGTERM)


def get_predict_args() -> dict[str, fields.Field]:
    return {"pause": fields.Float(load_default=0)}


def predict(pause: float) -> str:
    time.sleep(pause)
    return said


def get_evaluate_args() -> dict[str, fields.Field]:
    return {"gate": fields.Str(load_default=""), "version": fields.Str(load_default="")}


def evaluate(gate: str, version: str) -> dict[str, object]:
    print("evaluating", said, flush=True)
    deepaas.progress(1, 2, loss=0.5)
    _wait_for(gate)
    return {"letters": len(said), "said": said, "version": version}


def get_train_args() -> dict[str, fields.Field]:
    return {
        "say": fields.Str(required=True),
        "how": fields.Str(load_default="well"),
        "gate": fields.Str(load_default=""),
        "noted": fields.Str(load_default=""),
        "keep": fields.Bool(load_default=True),
    }


def train(say: str, how: str, gate: str, noted: str, keep: bool) -> dict[str, str]:
    deepaas.progress(1, 1, loss=len(say))
    if keep:
        folder = deepaas.artifact_dir() / "weights"
        folder.mkdir()
        (folder / "said").write_text("\n".join([say, how, gate, noted]))
    return {"began with": said, "in": str(deepaas.model_dir())}
