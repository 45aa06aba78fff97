# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Every line says to which request it belongs."""

import asyncio
import subprocess
import sys

import pytest

from deepaas.telemetry import request_id

PROGRAM = """
import logging, sys
from deepaas.records import LogSettings
from deepaas.telemetry import configure_logging, request_id
for _ in range(2):
    configure_logging(LogSettings(debug="debug" in sys.argv))
logger = logging.getLogger("test")
logger.info("outside")
token = request_id.set("r1")
logger.warning("inside %s", 5)
request_id.reset(token)
logger.debug("detail")
logging.getLogger("asyncio").info("chatter")
"""


def lines(*arguments: str) -> list[str]:
    """Run the program and return what it logs."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_lines_carry_the_request() -> None:
    outside, inside = lines()
    assert outside.endswith(" INFO test outside")
    assert inside.endswith(" WARNING test [r1] inside 5")


def test_debug_logs_more() -> None:
    texts = [line.split(" ", 3)[-1] for line in lines("debug")]
    assert "test detail" in texts
    assert "asyncio chatter" in texts


async def test_requests_at_once_do_not_mix() -> None:
    async def serve(name: str) -> str:
        request_id.set(name)
        await asyncio.sleep(0)
        return request_id.get()

    names = list(await asyncio.gather(serve("a"), serve("b")))
    assert names == ["a", "b"]
    assert request_id.get() == ""


@pytest.mark.parametrize("module", ["deepaas.telemetry", "deepaas"])
def test_importing_configures_nothing(module: str) -> None:
    program = f"import logging, {module}; assert not logging.getLogger().handlers"
    subprocess.run([sys.executable, "-c", program], check=True)
