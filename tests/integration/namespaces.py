# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Namespaces of a server's own: file systems that fill up, and a server as the first process."""

import shutil
import subprocess

import pytest


def can_unshare(*options: str) -> bool:
    """Whether this user may have namespaces of its own; a container often forbids it."""
    unshare = shutil.which("unshare")
    command = [unshare or "", *options, "true"]
    return bool(unshare) and subprocess.run(command, capture_output=True).returncode == 0


needs_mounts = pytest.mark.skipif(
    not can_unshare("--mount"), reason="no mount namespace for this user (needs root)"
)
needs_pids = pytest.mark.skipif(
    not can_unshare("--pid", "--fork", "--mount-proc"),
    reason="no PID namespace for this user (needs root)",
)
