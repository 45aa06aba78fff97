# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Run every check of the project, or those that are named, and sum up.

All checks run, also after one has failed; the exit status is 1 if any failed. With ``--unmeasured``
the tests run without measuring coverage. Temporary files of
the tests go to a folder of this run, which is looked through and removed at the end.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
MINUTES = 60.0
#: What a check that was interrupted gets to clean up.
GRACE_S = 30.0
#: The make that started this is not the one that a test starts. And the thousands of processes that
#: the tests start would take twice the processor if each one compiled all that it imports.
NOT_INHERITED = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PYTHONDONTWRITEBYTECODE")


@dataclass(frozen=True)
class Step:
    """One command line: the arguments of ``python -m``."""

    arguments: tuple[str, ...]
    folder: Path = ROOT


@dataclass(frozen=True)
class Check:
    """One check: steps, one after the other until one fails."""

    name: str
    steps: tuple[Step, ...]
    limit_s: float
    #: Behind them, all of these at the same time; what the first one prints is seen at once.
    together: tuple[Step, ...] = ()


def example_types() -> Iterator[Step]:
    """Each example is a project of its own, whose modules are found from its folder."""
    for file in sorted(ROOT.glob("examples/*/setup.cfg")):
        cache = ROOT / ".mypy_cache" / file.parent.name
        options = (f"--config-file={ROOT / 'setup.cfg'}", f"--cache-dir={cache}")
        yield Step(("mypy", *options, "."), file.parent)


#: What a step begins with that measures coverage.
_MEASURING = ("coverage", "run", "-m")
UNMEASURED = "--unmeasured"


def _measured(*arguments: str) -> Step:
    return Step((*_MEASURING, "pytest", *arguments))


#: Of the tests with real servers, those that run apart: those about jobs and what becomes of them,
#: about half of the time; and the fuzzer's, which wait for it alone.
APART = (("trainings", "jobs", "versions", "queued"), ("fuzzed",))


#: Of the other tests, those that run apart: about half of the time too.
UNITS_APART = ("tests/unit/execution", "tests/unit/service", "tests/unit/cmd", "tests/unit/store")


def _patterns(subjects: Iterable[str]) -> list[str]:
    return [f"tests/integration/test_{subject}*.py" for subject in subjects]


def _apart(subjects: Iterable[str]) -> Step:
    files = (file for pattern in _patterns(subjects) for file in ROOT.glob(pattern))
    return Step(("pytest", *sorted(str(file.relative_to(ROOT)) for file in files)))


def _all_but_apart() -> Step:
    patterns = (pattern for subjects in APART for pattern in _patterns(subjects))
    return Step(("pytest", "tests/integration", *(f"--ignore-glob={each}" for each in patterns)))


SPHINX = ("sphinx", "-W", "-n", "-q", "--keep-going", "doc/source", "doc/build/html")
CHECKS = (
    Check(
        "lint",
        (Step(("ruff", "check", ".")), Step(("ruff", "format", "--check", "."))),
        2 * MINUTES,
    ),
    Check("types", (), 4 * MINUTES, together=(Step(("mypy",)), *example_types())),
    Check("docs", (Step(SPHINX),), 3 * MINUTES),
    Check("audit", (Step(("tools.audit",)),), 3 * MINUTES),
    Check(
        "tests",
        (Step(("coverage", "erase")),),
        # Only ends what hangs.
        25 * MINUTES,
        # Tests with real servers wait more than they compute: the others have a processor. They
        # start some thousand processes, and measuring coverage would double what each one costs;
        # so a line counts as covered only if a test that is about it runs it.
        together=(
            _all_but_apart(),
            *map(_apart, APART),
            _measured("tests/contract", "tests/acceptance", "examples"),
            _measured(*UNITS_APART),
            _measured("tests/unit", *(f"--ignore={folder}" for folder in UNITS_APART)),
        ),
    ),
    Check(
        "coverage",
        (Step(("coverage", "combine", "--quiet")), Step(("coverage", "report"))),
        2 * MINUTES,
    ),
)


def unmeasured(check: Check) -> Check:
    """Return a check that does the same, and measures no coverage."""
    together = tuple(
        replace(step, arguments=step.arguments[len(_MEASURING) :])
        if step.arguments[: len(_MEASURING)] == _MEASURING
        else step
        for step in check.together
    )
    return replace(check, together=together)


def run(check: Check, environment: Mapping[str, str]) -> str | None:
    """Run one check.

    Returns:
        Why it failed, ``None`` if it did not.
    """
    deadline = time.monotonic() + check.limit_s
    for step in check.steps:
        if reason := wait(start(step, environment), step, deadline, check.limit_s):
            return reason
    return run_together(check, environment, deadline)


def start(
    step: Step, environment: Mapping[str, str], output: IO[bytes] | None = None
) -> "subprocess.Popen[bytes]":
    """Start a step."""
    command = [sys.executable, "-m", *step.arguments]
    return subprocess.Popen(command, cwd=step.folder, env=environment, stdout=output, stderr=output)


def wait(
    child: "subprocess.Popen[bytes]", step: Step, deadline: float, limit_s: float
) -> str | None:
    """Wait for a step; return why it failed, ``None`` if it did not."""
    line = " ".join(step.arguments)
    try:
        status = child.wait(timeout=max(deadline - time.monotonic(), 1))
    except subprocess.TimeoutExpired:
        end(child)
        return f"{line}: took longer than {limit_s / MINUTES:.0f} minutes"
    except KeyboardInterrupt:
        end(child)
        raise
    return f"{line}: exit status {status}" if status else None


def run_together(check: Check, environment: Mapping[str, str], deadline: float) -> str | None:
    """Run the steps that run at the same time, each with a temporary folder of its own."""
    reasons = []
    with ExitStack() as stack:
        running = []
        for number, step in enumerate(check.together):
            output = stack.enter_context(tempfile.TemporaryFile()) if number else None
            folder = Path(environment.get("TMPDIR", tempfile.gettempdir())) / str(number)
            folder.mkdir(exist_ok=True)
            child = start(step, {**environment, "TMPDIR": str(folder)}, output)
            stack.callback(end, child)  # nothing happens if it has ended
            running.append((child, step, output))
        for child, step, output in running:
            reasons.append(wait(child, step, deadline, check.limit_s))
            if output is not None:
                output.seek(0)
                sys.stdout.flush()
                shutil.copyfileobj(output, sys.stdout.buffer)
                sys.stdout.flush()
    return "; ".join(reason for reason in reasons if reason) or None


def end(child: "subprocess.Popen[bytes]") -> None:
    """Interrupt a check as Ctrl-C would, so that it can clean up, then kill it."""
    child.send_signal(signal.SIGINT)
    try:
        child.wait(timeout=GRACE_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def remains(folder: Path) -> list[str]:
    """Return what the checks left in the run's temporary folder, pytest's own files apart."""
    found = []
    for path in folder.iterdir():
        if path.name.isdigit():
            found += [f"{path.name}/{name}" for name in remains(path)]
        elif not path.name.startswith("pytest-of-"):
            found.append(path.name)
    return sorted(found)


def main(names: Iterable[str]) -> int:
    """Run the named checks, all if none is named."""
    names = list(names)
    measures = UNMEASURED not in names
    wanted = set(names) - {UNMEASURED}
    if unknown := wanted - {check.name for check in CHECKS}:
        print(f"No such check: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    # A short path: the address of a Unix socket has 107 bytes.
    temporary = Path(tempfile.mkdtemp(prefix="dpt-"))
    environment = os.environ | {"TMPDIR": str(temporary)}
    for name in NOT_INHERITED:
        environment.pop(name, None)
    summary = []
    failed = False
    try:
        for check in CHECKS:
            if wanted and check.name not in wanted:
                continue
            print(f"--- {check.name}", flush=True)
            started = time.monotonic()
            reason = run(check if measures else unmeasured(check), environment)
            failed = failed or reason is not None
            seconds = time.monotonic() - started
            summary.append(f"{check.name:<10}{seconds:6.0f} s   {reason or 'ok'}")
        if left := remains(temporary):
            failed = True
            summary.append(f"left in the temporary folder: {', '.join(left)}")
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    print("--- summary", *summary, sep="\n", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
