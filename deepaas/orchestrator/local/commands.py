# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The command and the environment of a container, made into those of a process here.

A container keeps what it is told from the machine; a process does not. So a template may say what
to serve and how, and nothing that reaches beyond: no other program, no shell, no file of options.
"""

import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Final

from deepaas.orchestrator.local.records import CannotDeploy

_MODULES: Final = {"deepaas-run": "deepaas.cmd.run", "deepaas-cli": "deepaas.cmd.cli"}
#: What says where to listen and keep things; here the orchestrator does.
_REPLACED: Final = ("--listen-ip", "--listen-port", "--state-dir")
#: What would let a template reach beyond: other options, and code, from a file; files anywhere.
_REFUSED: Final = (
    *("--config-file", "--config-dir", "--log-config-append", "--log-file", "--log-dir"),
    *("--log_config", "--logfile", "--logdir"),
    *("--auth-ca-file", "--auth-keys-file", "--auth-client-secret-file", "--tls-cert", "--tls-key"),
    *("--storage-pull", "--storage-push-artifacts"),
)
_RESULT: Final = "--deepaas_method_output"
_ARTIFACTS: Final = "--deepaas_artifact_dir"
_FILES: Final = (_RESULT, _ARTIFACTS, "--deepaas_model_dir")
#: What no variable sets, by the names that variables have.
_NO_VARIABLES: Final = frozenset(name.replace("_", "-") for name in (*_REFUSED, *_FILES))
_WATCHED: Final = {
    "deepaas-run": (*_REPLACED, *_REFUSED, "--model-name", "--base-path"),
    "deepaas-cli": (*_REFUSED, *_FILES, "--model-name"),
}
MODEL_VARIABLE: Final = "DEEPAAS_V2_MODEL"
#: Variables that a template may set. rclone knows others that start programs.
_ALLOWED: Final = re.compile(
    r"DEEPAAS_\w+(?<!_FILE)|RCLONE_CONFIG|RCLONE_CONFIG_[A-Z0-9]+_(TYPE|URL|VENDOR|USER|PASS|PROVIDER|ENDPOINT"
    r"|REGION|ACCESS_KEY_ID|SECRET_ACCESS_KEY)|jupyterPASSWORD"
    r"|LANG|LC_ALL|TZ|DISABLE_AUTHENTICATION_AND_ASSUME_AUTHENTICATED_USER|OS_DEFAULT__\w+",
    re.ASCII,
)
_OPTION_PREFIX: Final = "OS_DEFAULT__"


class CommandLine:
    """A command of a template, read without a shell.

    Args:
        text: ``deepaas-run …`` or ``deepaas-cli …``.

    Raises:
        CannotDeploy: It is another command, or asks for what a template may not.
    """

    def __init__(self, text: str) -> None:
        words = _words(text)
        if not words or words[0] not in _MODULES:
            raise CannotDeploy(
                f"The command {text!r} is not run here: only {' and '.join(_MODULES)} are."
            )
        self.program = words[0]
        #: What was said of the watched options; the last one counts.
        self.said: dict[str, str] = {}
        self._rest: list[str] = []
        self._read(words[1:])
        for name in _FILES:
            if name in self.said:
                self.said[name] = _inside(name, self.said[name])

    @property
    def is_job(self) -> bool:
        """Whether it runs to its end once."""
        return self.program == "deepaas-cli"

    @property
    def folders(self) -> tuple[str, ...]:
        """Folders that it writes to, relative to the deployment's own."""
        made = [self.said.get(name, "") for name in (_ARTIFACTS, _RESULT)]
        return tuple(
            folder
            for folder in (made[0], str(PurePosixPath(made[1]).parent))
            if folder not in ("", ".")
        )

    @property
    def port(self) -> int:
        """The port that the container would listen on."""
        text = self.said.get("--listen-port", "5000")
        if not (text.isascii() and text.isdigit() and 0 < int(text[:6]) < 65536):
            raise CannotDeploy(f"--listen-port is {text!r}, which is no port.")
        return int(text)

    def argv(self, model: str) -> tuple[str, ...]:
        """Return the command for this machine; where to listen is added when it is started."""
        # Options of the program stand before its action and the model's own arguments.
        kept = [
            f"{name}={self.said[name]}" for name in (*_FILES, "--base-path") if name in self.said
        ]
        chosen = [f"--model-name={model}"] if model else []
        return (sys.executable, "-P", "-m", _MODULES[self.program], *chosen, *kept, *self._rest)

    def _read(self, words: Sequence[str]) -> None:
        left = list(words)
        while left:
            word = left.pop(0)
            name, has_value, value = word.partition("=")
            watched = _watched(name, _WATCHED[self.program])
            if watched is None:
                self._rest.append(word)
                continue
            if watched in _REFUSED:
                raise CannotDeploy(f"A template cannot set {watched} here: it names files.")
            if not has_value and not left:
                raise CannotDeploy(f"The option {watched} has no value.")
            self.said[watched] = value if has_value else left.pop(0)


def _words(text: str) -> list[str]:
    """Return the words of a command.

    Raises:
        CannotDeploy: It has an open quote, or needs a shell.
    """
    if not is_plain(text):
        raise CannotDeploy(f"The command {text!r} holds what no command can.")
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        words = list(lexer)
    except ValueError as exc:
        raise CannotDeploy(f"The command {text!r} cannot be read: {exc}.") from exc
    for word in words:
        if word and not word.strip("();<>|&"):
            raise CannotDeploy(
                f"The command {text!r} needs a shell for {word!r}; none is run here."
            )
    return words


def _watched(name: str, watched: Sequence[str]) -> str | None:
    """Return the watched option that a word is, ``None`` if it is none.

    Where the model's own arguments begin is not asked: what this and the program took for it could
    differ, and an option slip through.

    Raises:
        CannotDeploy: It may be short for one.
    """
    if not name.startswith("--") or name == "--":
        return None
    if name in watched:
        return name
    if longer := [each for each in watched if each.startswith(name)]:
        raise CannotDeploy(f"The option {name} may be short for {longer[0]}; write it in full.")
    return None


def _inside(name: str, path: str) -> str:
    """Return a path of the container as one below the deployment's own folder.

    Raises:
        CannotDeploy: It leads out of there.
    """
    relative = PurePosixPath(path.lstrip("/"))
    if ".." in relative.parts or not relative.parts:
        raise CannotDeploy(f"{name} is {path!r}, which names nothing in the deployment's folder.")
    return str(relative)


def environment_of(
    given: Mapping[str, Any], is_passed: Callable[[str], bool]
) -> tuple[dict[str, str], list[str]]:
    """Return the variables of a template that are passed, and what to tell of the others.

    Args:
        given: Names and values, functions replaced.
        is_passed: Whether the operator lets a variable pass that is not among the known ones.
    """
    passed: dict[str, str] = {}
    notes = []
    for name, value in given.items():
        if value is None:
            continue
        text = str(value).lower() if isinstance(value, bool) else str(value)
        option = _option_of(name)
        if option in _REPLACED:
            continue
        if not is_plain(text) or option in _NO_VARIABLES:
            notes.append(f"The variable {name} is not passed.")
        elif _ALLOWED.fullmatch(name) or is_passed(name):
            passed[name] = text
        else:
            notes.append(f"The variable {name} is not passed; --pass-variable {name} would do it.")
    return passed, notes


def is_plain(text: str) -> bool:
    """Whether the system can hand a text to a process."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def _option_of(name: str) -> str:
    """Return the option that a variable sets, empty if it sets none."""
    if not name.startswith(_OPTION_PREFIX):
        return ""
    return f"--{name.removeprefix(_OPTION_PREFIX).lower().replace('_', '-')}"
