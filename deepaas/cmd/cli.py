# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""``deepaas-cli``: call a function of a model at the command line.

The options of the command stand before the method, the model's arguments behind it: each has a
namespace of its own.
"""

import logging
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, TextIO

from deepaas.cmd import method
from deepaas.cmd.arguments import parse_arguments
from deepaas.cmd.fetching import with_fetched
from deepaas.cmd.leading import method_at
from deepaas.cmd.progress import TerminalSink
from deepaas.cmd.supervisor import run_in_child
from deepaas.config import (
    CLI_OPTIONS,
    FETCH_OPTIONS,
    LOG_OPTIONS,
    MODEL_OPTIONS,
    CliSettings,
    load_cli_settings,
)
from deepaas.config.obsolete import CLI_FLAGS
from deepaas.errors import ConfigurationError
from deepaas.execution.scratch import temporary_folder
from deepaas.execution.worker import warm_model
from deepaas.model import bars, context
from deepaas.model.adapter import load_model
from deepaas.model.encoding import EncodedAnswer

logger = logging.getLogger(__name__)

PROG = "deepaas-cli"
#: The methods that report progress, and that the service runs as jobs.
_JOBS = ("train", "evaluate")
#: The first one is meant where none is named, as in version 2.
METHODS = ("get_metadata", "warm", "predict", *_JOBS)
_OPTIONS = (*MODEL_OPTIONS, *LOG_OPTIONS, *CLI_OPTIONS, *FETCH_OPTIONS, *CLI_FLAGS)


def main(argv: Sequence[str] | None = None) -> int:
    """Call a function of a model.

    Returns:
        0: done; 1: the model failed; 2: the command line is wrong; 128 + n: ended by signal n.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    try:
        settings, name, _ = _read(given)
        if settings.own_process:
            return run_in_child(PROG, given, with_bar=name in _JOBS and sys.stderr.isatty())
        with tempfile.TemporaryDirectory(prefix="deepaas-", dir=temporary_folder()) as folder:
            return run_here(given, Path(folder))
    except ConfigurationError as exc:
        print(f"{PROG}: {exc.message}", file=sys.stderr)
        return method.EXIT_USAGE


def run_here(argv: Sequence[str], folder: Path, bar: TextIO | None = None) -> int:
    """Do it in this process.

    Args:
        argv: The arguments of the command.
        folder: Takes the copies of files.
        bar: Takes the bar of a training or an evaluation; ``None``: its progress goes to standard
            error.
    """

    def run(result: BinaryIO) -> None:
        settings, name, arguments = _read(argv)
        method.begin_log(settings.log, settings.warnings)
        answer = _call(settings, name, arguments, folder, bar)
        if answer is None:
            return
        if settings.output is None:
            method.write_answer(answer, result)
        else:
            method.write_file(answer, settings.output)

    return method.run_guarded(PROG, run)


def _read(argv: Sequence[str]) -> tuple[CliSettings, str, list[str]]:
    """Return the settings, the method, and what stands behind it.

    Raises:
        ConfigurationError: An option is wrong, or there is no such method.
    """
    at = method_at(argv, _OPTIONS)
    settings = load_cli_settings(argv[:at])
    if at == len(argv):
        said = f"No method is named: it is {METHODS[0]}."
        return replace(settings, warnings=(*settings.warnings, said)), METHODS[0], []
    name = argv[at]
    if name not in METHODS:
        raise ConfigurationError(f"there is no method {name!r}; it is one of {', '.join(METHODS)}.")
    return settings, name, list(argv[at + 1 :])


def _call(
    settings: CliSettings, name: str, argv: Sequence[str], folder: Path, bar: TextIO | None
) -> EncodedAnswer | None:
    if name in _JOBS:
        # tqdm draws its own bars here, on a terminal as its author sees them.
        bars.watch(into_log=bar is None, with_drawn=False)
    context.install_model_dir(settings.model_dir)
    adapter = load_model(method.choose_source(settings.model_names))
    parser = adapter.parsers.get(name)
    declared = () if parser is None else parser.arguments
    given = parse_arguments(f"{PROG} {name}", declared, argv, folder)
    if name == "get_metadata":
        return method.metadata(adapter)
    # Before the warming, which may take long.
    arguments = {}
    if parser is not None:
        arguments = parser.parse(with_fetched(given, parser, settings.fetching, folder))
    if settings.warm or name == "warm":
        warm_model(adapter)
    if name == "warm":
        return None
    if name == "predict":
        return method.predict(adapter, arguments)
    run = method.train if name == "train" else method.evaluate
    with _reporting(settings, bar):
        return run(adapter, arguments)


@contextmanager
def _reporting(settings: CliSettings, bar: TextIO | None) -> Iterator[None]:
    """Let the model report what it does, and learn that it is to end."""
    sink = TerminalSink(bar or sys.stderr, settings.artifact_dir, with_bar=bar is not None)
    context.install(sink)
    signal.signal(signal.SIGTERM, sink.on_sigterm)
    os.register_at_fork(after_in_child=sink.leave_fork)
    try:
        yield
    finally:
        context.uninstall()
        sink.close()
        if sink.artifacts is not None and sink.artifacts.is_dir():
            logger.info("Artifacts are in %s.", sink.artifacts, extra={"action": "artifacts"})


if __name__ == "__main__":
    sys.exit(main())
