# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Ends its training in the way that is asked for."""

import ctypes
import os
import signal
import sys
import threading
from typing import Any

import numpy as np
from aiohttp import web
from webargs import fields

import deepaas


def get_train_args() -> dict[str, Any]:
    return {"how": fields.Str(required=True)}


class Wordless(Exception):
    pass


class Unspeakable:
    def __repr__(self) -> str:
        raise ValueError("it has no words")


def assert_still_running() -> None:
    """Wait for the fork; what it did must not have ended the training."""
    os.wait()
    assert not (deepaas.artifact_dir().parent / "outcome.json").exists()


def train(how: str) -> object:
    print("a word before the end")
    match how:
        case "raises":
            raise ValueError("the data are too small: 0 rows")
        case "raises without a text":
            raise Wordless
        case "bad request":
            raise web.HTTPBadRequest(reason="no such data set")
        case "bad request that cannot be made":
            raise web.HTTPBadRequest(reason=ValueError("no such file"))  # type: ignore[arg-type]
        case "sys.exit":
            sys.exit(3)
        case "KeyboardInterrupt":
            raise KeyboardInterrupt
        case "memory":
            np.empty(2**55)
        case "GPU memory":
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has …")
        case "returns the unspeakable":
            return Unspeakable()
        case "os._exit":
            os._exit(3)
        case "sigkill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "sigterm":
            os.kill(os.getpid(), signal.SIGTERM)
        case "segfault":
            ctypes.string_at(0)
        case "sys.exit in a fork":
            if os.fork() == 0:
                sys.exit(3)
            assert_still_running()
        case "return in a fork":
            if os.fork() == 0:
                return "the fork's"
            assert_still_running()
        case "raise in a fork":
            if os.fork() == 0:
                raise ValueError("the fork's")
            assert_still_running()
        case "closed output":
            sys.stdout.close()
            sys.stderr.close()
        case "lingering thread":
            threading.Thread(target=threading.Event().wait, args=(0.5,)).start()
    return "the training's"
