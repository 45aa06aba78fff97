# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Attacks that only show on a server of its own: those on what the whole process has."""

import http.client
import socket
from pathlib import Path

import pytest

from tests.integration.harness import Server, serve, wait_for

MODEL = "predicts_only"
LIVE = "/v2/health/live"
#: How many files the server may open, and how many connections come.
FILES, SILENT = 128, 200


def answers(server: Server) -> bool:
    try:
        return server.get(LIVE).status == 200
    except (OSError, http.client.HTTPException):
        return False


@pytest.mark.parametrize("guard", ["on", "off"])
def test_silent_connections_lock_nobody_out(tmp_path: Path, guard: str) -> None:
    """Each holds a descriptor; where none is left, a server can take no connection at all."""
    options = ("--max-connections=100000",) if guard == "off" else ()
    few_files = ("sh", "-c", f'ulimit -n {FILES}; exec "$@"', "sh")
    with serve(MODEL, tmp_path, *options, wrapper=few_files) as server:
        silent = []
        try:
            for _ in range(SILENT):
                silent.append(socket.create_connection(("127.0.0.1", server.port)))
                silent[-1].sendall(b"POST / HT")
            if guard == "on":
                assert all(answers(server) for _ in range(5))
            else:
                wait_for(lambda: not answers(server))
        finally:
            for connection in silent:
                connection.close()
        wait_for(lambda: answers(server))
