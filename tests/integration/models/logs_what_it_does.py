# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Logs, prints, and says how far it is."""

import logging
from typing import Any

from webargs import fields

import deepaas
from tests.integration.signals import of_the_test

signals = of_the_test()
logger = logging.getLogger("author")


def get_predict_args() -> dict[str, Any]:
    return {"text": fields.Str(load_default=""), "fails": fields.Bool(load_default=False)}


def warm() -> None:
    logger.info("warming")


def predict(text: str, fails: bool) -> str:
    logger.info("asked for %s", text, extra={"action": "asked"})
    print("printed", text, flush=True)
    if fails:
        raise ValueError(text)
    return text


def train() -> None:
    logger.info("training")
    deepaas.progress(1, 4)
    signals.wait_until("go on")
