# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Where the token comes from that signs in: a file, the environment, or oidc-agent.

Never from the command line, which everybody on the machine can read.
"""

import asyncio
import json
import os
import re
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from deepaas.errors import ConfigurationError

FILE_VARIABLE: Final = "ORCHESTRATOR_TOKEN_FILE"
VARIABLE: Final = "ORCHESTRATOR_TOKEN"
ACCOUNT_VARIABLE: Final = "OIDC_ACCOUNT"
SOCKET_VARIABLE: Final = "OIDC_SOCK"
_PROGRAM: Final = "oidc-token"
_HINT: Final = "deepaas"
#: For so long a token must be good still, and is not asked for again.
_VALID_S: Final = 60
_ANSWERS_S: Final = 30.0
_MOST_BYTES: Final = 1024 * 1024
#: What a header can carry of a token (RFC 6750, section 2.1, and what keys look like elsewhere).
_TOKEN: Final = re.compile(r"[!-~]+", re.ASCII)


class TokenSource(Protocol):
    """Gives a token that is good now."""

    async def token(self) -> str:
        """Return the token, for the header of a request.

        Raises:
            ConfigurationError: There is none; the message says what to do.
        """


class GivenToken:
    """The token that the environment holds."""

    def __init__(self, where: str, text: str) -> None:
        self._token = _checked(where, text)

    async def token(self) -> str:
        """Return it."""
        return self._token


class FileToken:
    """The token that a file holds; read each time, since others renew it."""

    def __init__(self, where: str, path: str) -> None:
        self._where = f"{where}: {path!r}"
        self._path = Path(path).expanduser()

    async def token(self) -> str:
        """Read it; see :meth:`TokenSource.token`."""
        try:
            text = self._path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as exc:
            reason = exc.strerror if isinstance(exc, OSError) else "it is no text"
            raise ConfigurationError(f"{self._where} cannot be read: {reason}.") from exc
        return _checked(self._where, text)


class AgentToken:
    """The tokens of an account of oidc-agent, over its socket.

    Args:
        account: Its name.
        socket: Path of the agent's socket.
    """

    def __init__(self, account: str, socket: str) -> None:
        self._account = account
        self._socket = socket
        self._known = ""
        self._good_until = 0.0

    async def token(self) -> str:
        """Ask for one when the last has nearly run out; see :meth:`TokenSource.token`."""
        if time.time() < self._good_until:
            return self._known
        asked = {
            "request": "access_token",
            "account": self._account,
            "min_valid_period": 2 * _VALID_S,
            "application_hint": _HINT,
        }
        try:
            async with asyncio.timeout(_ANSWERS_S):
                answer = json.loads(await self._ask(json.dumps(asked).encode()))
        except TimeoutError as exc:
            raise self._fault("it does not answer") from exc
        except OSError as exc:
            raise self._fault(exc.strerror or str(exc)) from exc
        except ValueError as exc:
            raise self._fault("it answers what is no JSON") from exc
        self._known = self._read(answer)
        return self._known

    async def _ask(self, request: bytes) -> bytes:
        reader, writer = await asyncio.open_unix_connection(self._socket)
        try:
            writer.write(request)
            await writer.drain()
            # It closes the connection behind its answer.
            answer = b""
            while part := await reader.read(_MOST_BYTES):
                answer += part
                if len(answer) > _MOST_BYTES:
                    raise self._fault("its answer has no end")
            return answer
        finally:
            writer.close()

    def _read(self, answer: Any) -> str:
        match answer:
            case {"status": "failure", "error": str(error)}:
                raise self._fault(error)
            case {"access_token": str(token)}:
                ends = answer.get("expires_at")
                self._good_until = ends - _VALID_S if isinstance(ends, int | float) else 0.0
                return _checked("The answer of oidc-agent", token)
        raise self._fault("its answer holds no token")

    def _fault(self, reason: str) -> ConfigurationError:
        return ConfigurationError(
            f"oidc-agent gives no token of the account {self._account!r}: {reason}. Is the account"
            f" loaded (oidc-add), and does {SOCKET_VARIABLE} name the agent's socket?"
        )


class ProgramToken:
    """The tokens of an account of oidc-agent, by its program ``oidc-token``."""

    def __init__(self, account: str) -> None:
        self._account = account

    async def token(self) -> str:
        """Run the program; see :meth:`TokenSource.token`."""
        options = [f"--time={2 * _VALID_S}", "--", self._account]
        process = await asyncio.create_subprocess_exec(
            *(_PROGRAM, *options),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        if process.returncode:
            said = err.decode("utf-8", "replace").strip()
            raise ConfigurationError(f"{_PROGRAM} {self._account} failed: {said}")
        return _checked(f"The output of {_PROGRAM}", out.decode("utf-8", "replace"))


def token_source(
    file: str | None, account: str | None, environment: Mapping[str, str] = os.environ
) -> TokenSource:
    """Return where tokens come from: the command line says it, or else the environment.

    Args:
        file: The file that was named, ``None`` if none was.
        account: The account of oidc-agent that was named, ``None`` if none was.
        environment: For what the command line leaves open.

    Raises:
        ConfigurationError: Nothing says it, or what does holds no token.
    """
    if file is not None:
        return FileToken("--token-file", file)
    if account is None and (text := environment.get(VARIABLE)):
        return GivenToken(VARIABLE, text)
    if account is None and (path := environment.get(FILE_VARIABLE)):
        return FileToken(FILE_VARIABLE, path)
    account = account or environment.get(ACCOUNT_VARIABLE)
    if not account:
        raise ConfigurationError(
            f"Sign in: name a file with --token-file or {FILE_VARIABLE}, put the token into"
            f" {VARIABLE}, or name an account of oidc-agent with --oidc-account or"
            f" {ACCOUNT_VARIABLE}."
        )
    if socket := environment.get(SOCKET_VARIABLE):
        return AgentToken(account, socket)
    if shutil.which(_PROGRAM):
        return ProgramToken(account)
    raise ConfigurationError(
        f"No oidc-agent is found for the account {account!r}: {SOCKET_VARIABLE} is not set, and"
        f" there is no program {_PROGRAM}."
    )


def _checked(where: str, text: str) -> str:
    token = text.strip()
    if not _TOKEN.fullmatch(token):
        raise ConfigurationError(f"{where} holds no token: one line of printable ASCII characters.")
    return token
