# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The command, which lets a process of its own run the model.

Whatever becomes of that process, each object has an output in the end: platforms do not look at the
exit status.
"""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from deepaas.cmd import method
from deepaas.cmd.function import PROG
from deepaas.cmd.function.task import EVENT, Task, take_task
from deepaas.cmd.supervisor import run_in_child
from deepaas.config import FunctionSettings, load_function_settings
from deepaas.errors import ConfigurationError, InvalidInput
from deepaas.execution.scratch import make_scratch
from deepaas.functions.objects import EVENT_VARIABLE, INPUT_VARIABLE, KEY_VARIABLE
from deepaas.functions.outputs import Outputs, problem_text, stem_of
from deepaas.functions.problems import ended, problem_of


def main(argv: Sequence[str] | None = None) -> int:
    """Run a model on each object of an event.

    Returns:
        0: done; 1: there is an object without an answer; 2: the command line or the environment is
        wrong; 128 + n: ended by signal n.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    try:
        work = make_scratch()
        try:
            return _run(given, work)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except ConfigurationError as exc:
        print(f"{PROG}: {exc.message}", file=sys.stderr)
        return method.EXIT_USAGE


def _run(given: Sequence[str], work: Path) -> int:
    settings = load_function_settings(given)
    _keep_event(settings, work)
    try:
        task = take_task(settings, work)
    except (InvalidInput, ConfigurationError) as exc:
        _refuse(settings, exc, work)
        if isinstance(exc, ConfigurationError):
            raise
        print(f"{PROG}: {exc.message}", file=sys.stderr)
        return method.EXIT_FAILED
    if task.outputs is None:
        _keep_log_from_answer()
    status = run_in_child(PROG, [str(work), *given])
    has_rest = _pay_rest(task)
    return status or (method.EXIT_FAILED if has_rest else 0)


def _refuse(settings: FunctionSettings, exc: InvalidInput | ConfigurationError, work: Path) -> None:
    """Say what is wrong where whoever caused the event looks for its outcome."""
    key = os.environ.get(KEY_VARIABLE)
    problem = problem_of(exc, key, work)
    if key and settings.output_dir is not None:
        name = stem_of(PurePosixPath(key).name)
        Outputs(settings.output_dir, "").write_problem(name, problem)
    elif isinstance(exc, InvalidInput):
        _answer(problem)


def _pay_rest(task: Task) -> bool:
    """Say for each object that has no output why; return whether there was one."""
    left = task.debts.left()
    for name, label in left.items():
        if task.outputs is None:
            _answer(ended(None if task.request.call else label))
            continue
        try:
            task.outputs.write_problem(name, ended(label))
        except ConfigurationError as exc:
            print(f"{PROG}: {exc.message}", file=sys.stderr)
    if task.outputs is not None:
        task.outputs.remove_parts()
    return bool(left)


def _keep_event(settings: FunctionSettings, work: Path) -> None:
    """Keep the event for the process of the model, whose standard input is empty."""
    if settings.event is not None and settings.event != "-":
        try:
            shutil.copyfile(Path(settings.event).expanduser(), work / EVENT)
        except OSError as exc:
            raise ConfigurationError(f"--event: {settings.event!r}: {exc.strerror}.") from exc
    elif settings.event == "-" or not _is_told(settings):
        with (work / EVENT).open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
            if not file.tell():
                (work / EVENT).unlink()


def _is_told(settings: FunctionSettings) -> bool:
    """Tell whether standard input is not needed, or is a person's."""
    if settings.input or any(map(os.environ.get, (INPUT_VARIABLE, EVENT_VARIABLE))):
        return True
    return sys.stdin is None or sys.stdin.isatty()


def _keep_log_from_answer() -> None:
    """Drop the log where it would get into the answer: faas-supervisor reads both from one pipe."""
    with suppress(OSError):  # one of them is closed
        if not os.path.sameopenfile(1, 2) or os.isatty(1):
            return
        sys.stderr.flush()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)


def _answer(problem: Mapping[str, Any]) -> None:
    try:
        with os.fdopen(os.dup(1), "wb") as out:
            out.write(problem_text(problem))
    except OSError as exc:
        print(f"{PROG}: standard output cannot be written: {exc.strerror}.", file=sys.stderr)
