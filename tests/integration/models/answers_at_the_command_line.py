# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Answers, fails or ends its process in the way that is asked for; prints all the while."""

import io
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from marshmallow import validate
from webargs import fields

import deepaas

state = {"warm": False}
print("importing")


def get_metadata() -> dict[str, Any]:
    return {"name": "the command line's", "numbers": {1}}


def warm() -> None:
    print("warming")
    state["warm"] = True


def get_predict_args() -> dict[str, Any]:
    return {
        "n": fields.Int(load_default=1, validate=validate.Range(min=1)),
        "d": fields.Bool(load_default=False),
        "data": fields.Raw(metadata={"type": "file", "location": "form"}),
        "how": fields.Str(load_default=""),
        "accept": fields.Str(validate=validate.OneOf(["application/json", "image/png"])),
    }


def predict(n: int, d: bool, how: str, accept: str, data: Any = None) -> Any:
    print("predicting")
    os.system("echo predicting below")  # noqa: S605 - output that Python does not see
    match how:
        case "raise":
            raise ValueError("no such thing")
        case "invalid":
            raise deepaas.InvalidInput("not like this")
        case "object":
            return object()
        case "sys.exit":
            sys.exit(0)
        case "os._exit":
            os._exit(0)
        case "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "log":
            logging.basicConfig(filename="own.log", format="%(message)s", level="DEBUG")
            logging.getLogger(__name__).debug("a word")
        case "fork":
            if os.fork() == 0:
                return "the child's answer"
            os.wait()
        case "child":
            child = subprocess.Popen(["/bin/sleep", "3600"], start_new_session=True)
            Path(os.environ["NOTE"]).write_text(f"{os.getpid()} {child.pid}")
            time.sleep(3600)
        case "file":
            with tempfile.NamedTemporaryFile(delete=False) as file:
                file.write(b"\x89PNG")
            opened = open(file.name, "rb")  # noqa: SIM115 - as models do
            os.unlink(file.name)
            return opened
    if accept == "image/png":
        return io.BytesIO(b"\x89PNG")
    shown = None
    if data is not None:
        os.remove(data.filename)
        shown = [data.name, data.content_type, data.original_filename]
    start = multiprocessing.get_start_method(allow_none=True)
    return {"n": n, "d": d, "data": shown, "pid": os.getpid(), "start": start, **state}


def get_evaluate_args() -> dict[str, Any]:
    return {"images": fields.Int(load_default=2, validate=validate.Range(min=1))}


def evaluate(images: int) -> Any:
    print("evaluating")
    for image in range(images):
        deepaas.progress(image + 1, images, accuracy=0.5)
    folder = deepaas.model_dir()
    return {"images": images, "warm": state["warm"], "in": folder and folder.name}


def get_train_args() -> dict[str, Any]:
    return {
        "epochs": fields.Int(load_default=3),
        "token": fields.Str(load_default="hidden", metadata={"secret": True}),
        "how": fields.Str(load_default=""),
    }


def train(epochs: int, token: str, how: str) -> Any:
    for epoch in range(epochs):
        deepaas.progress(epoch + 1, epochs, loss=1 / (epoch + 1))
        if how == "speak":
            print("epoch", epoch + 1)
            os.system(f"echo below {epoch + 1}")  # noqa: S605 - output that Python does not see
            time.sleep(0.11)  # so that the next report draws the bar anew
    if how == "resize":
        Path(os.environ["NOTE"]).write_text("waiting")
        while os.get_terminal_size(2).columns != 55:
            time.sleep(0.01)
    if how == "wait":
        Path(os.environ["NOTE"]).write_text(f"{os.getpid()}")
        while not deepaas.is_cancelled():
            time.sleep(0.01)
    (deepaas.artifact_dir() / "weights").write_text("w")
    (deepaas.checkpoint_dir() / "last").write_text("c")
    return {"warm": state["warm"]}
