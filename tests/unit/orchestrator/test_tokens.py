# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Tokens come from a file, the environment or an agent, in that order, and are no nonsense."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from deepaas.errors import ConfigurationError
from deepaas.orchestrator import tokens
from deepaas.orchestrator.tokens import AgentToken, token_source


async def token_of(file: Path | None = None, account: str | None = None, **environment: str) -> str:
    named = None if file is None else str(file)
    return await token_source(named, account, environment).token()


async def test_a_file_that_is_named_comes_first(tmp_path: Path) -> None:
    """It is read each time: somebody else renews it."""
    path = tmp_path / "token"
    path.write_text("one\n")
    source = token_source(str(path), "account", {"ORCHESTRATOR_TOKEN": "x"})
    assert await source.token() == "one"
    path.write_text("two")
    assert await source.token() == "two"


async def test_the_environment_holds_a_token_or_names_a_file(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("from-file")
    assert await token_of(ORCHESTRATOR_TOKEN=" given ", ORCHESTRATOR_TOKEN_FILE="x") == "given"
    assert await token_of(ORCHESTRATOR_TOKEN_FILE=str(path), OIDC_ACCOUNT="x") == "from-file"


@pytest.mark.parametrize("text", ["two words", "", "\n", "tökén"])
async def test_what_is_no_token_is_refused_unseen(tmp_path: Path, text: str) -> None:
    path = tmp_path / "token"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match="holds no token") as raised:
        await token_of(path)
    assert not text.strip() or text not in raised.value.message


async def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"--token-file: .* cannot be read: No such file"):
        await token_of(tmp_path / "none")
    (tmp_path / "bytes").write_bytes(b"\xff")
    with pytest.raises(ConfigurationError, match="it is no text"):
        await token_of(tmp_path / "bytes")


def test_without_any_the_ways_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="--token-file or ORCHESTRATOR_TOKEN_FILE"):
        token_source(None, None, {})
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ConfigurationError, match="there is no program oidc-token"):
        token_source(None, "egi", {"ORCHESTRATOR_TOKEN": "x"})


@asynccontextmanager
async def agent(path: Path, *answers: Any) -> AsyncIterator[list[Any]]:
    """Answer at a socket, and note what was asked; ``None`` never answers."""
    left, asked = list(answers), []
    asked_enough = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(json.loads(await reader.read(65536)))
        answer = left.pop(0)
        if answer is None:
            await asked_enough.wait()
        elif isinstance(answer, bytes):
            writer.write(answer)
        else:
            writer.write(json.dumps(answer).encode())
        writer.close()

    async with await asyncio.start_unix_server(handle, path):
        try:
            yield asked
        finally:
            asked_enough.set()


async def test_an_agent_is_asked_again_when_its_token_runs_out(tmp_path: Path) -> None:
    old = {"status": "success", "access_token": "old", "expires_at": 1}
    new = {"status": "success", "access_token": "new", "expires_at": 2**40}
    path = tmp_path / "agent"
    async with agent(path, old, new) as asked:
        source = token_source(None, None, {"OIDC_ACCOUNT": "egi", "OIDC_SOCK": str(path)})
        assert [await source.token() for _ in range(3)] == ["old", "new", "new"]
    assert asked[0] == {
        "request": "access_token",
        "account": "egi",
        "min_valid_period": 120,
        "application_hint": "deepaas",
    }
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"status": "failure", "error": "No account loaded"}, "No account loaded"),
        ({"status": "success"}, "its answer holds no token"),
        ([], "its answer holds no token"),
        (b"no json", "it answers what is no JSON"),
        (b"x" * 2_000_000, "its answer has no end"),
        (None, "it does not answer"),
    ],
)
async def test_an_agent_that_gives_none_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Any, reason: str
) -> None:
    monkeypatch.setattr(tokens, "_ANSWERS_S", 0.2 if answer is None else 30)
    path = tmp_path / "agent"
    async with agent(path, answer):
        with pytest.raises(ConfigurationError, match=f"'egi': {reason}"):
            await AgentToken("egi", str(path)).token()


async def test_an_agent_that_is_not_there_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        await AgentToken("egi", str(tmp_path / "none")).token()


async def test_the_program_of_the_agent_stands_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "oidc-token"
    program.write_text('#!/bin/sh\n[ "$3" = egi ] || { echo "no $3" >&2; exit 1; }\necho printed\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert await token_of(account="egi") == "printed"
    with pytest.raises(ConfigurationError, match="oidc-token --other failed: no --other"):
        await token_of(account="--other")
