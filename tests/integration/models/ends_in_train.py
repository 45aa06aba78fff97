# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Ends its training in the way that is asked for."""

import ctypes
import os
import signal
import sys
import threading
from typing import Any

from aiohttp import web
from webargs import fields


def get_train_args() -> dict[str, Any]:
    return {"how": fields.Str(required=True)}


class Wordless(Exception):
    pass


def train(how: str) -> str:
    print("a word before the end")
    match how:
        case "raises":
            raise ValueError("the data are too small: 0 rows")
        case "raises without a text":
            raise Wordless
        case "bad request":
            raise web.HTTPBadRequest(reason="no such data set")
        case "sys.exit":
            sys.exit(3)
        case "os._exit":
            os._exit(3)
        case "sigkill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "segfault":
            ctypes.string_at(0)
        case "sys.exit in a fork":
            if os.fork() == 0:
                sys.exit(3)
            os.wait()
        case "return in a fork":
            if os.fork() == 0:
                return "the fork's"
            os.wait()
        case "lingering thread":
            threading.Thread(target=threading.Event().wait, args=(0.5,)).start()
    return "the training's"
