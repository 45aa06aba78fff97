# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A run of the tests fails if it leaves a process, a temporary file or shared memory.

And no test fails for how long something takes on a machine that has much to do.
"""

import os
import uuid

import pytest
from hypothesis import HealthCheck, settings

from deepaas.model import context
from tests import leftovers

settings.register_profile(
    "patient", parent=settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("patient")

_before = pytest.StashKey[leftovers.Snapshot]()
_left = pytest.StashKey[leftovers.Snapshot]()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Mark what this run starts and look at what is there already."""
    if session.config.option.collectonly:
        return
    os.environ[leftovers.SESSION] = name = uuid.uuid4().hex
    session.config.stash[_before] = leftovers.take(name)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Look again; end and report what remained."""
    before = session.config.stash.get(_before, None)
    if before is None:
        return
    # Folders that artifact_dir() gave to tests in this process are removed when it exits; whether
    # they are, tests/check.py looks.
    name = os.environ.pop(leftovers.SESSION)
    left = leftovers.wait_for_none(before, name, but=map(str, context._scratch.values()))
    if left:
        session.config.stash[_left] = left
        leftovers.kill(left, name)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say what remained."""
    if left := config.stash.get(_left, None):
        terminalreporter.section("left behind by the tests", red=True)
        for line in left.lines():
            terminalreporter.line(line)
