# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Run every check of the project, or those that are named, and sum up.

All checks run, also after one has failed; the exit status is 1 if any failed. Temporary files of
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
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MINUTES = 60.0
#: What a check that was interrupted gets to clean up.
GRACE_S = 30.0


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


def example_types() -> Iterator[Step]:
    """Each example is a project of its own, whose modules are found from its folder."""
    for file in sorted(ROOT.glob("examples/*/setup.cfg")):
        cache = ROOT / ".mypy_cache" / file.parent.name
        options = (f"--config-file={ROOT / 'setup.cfg'}", f"--cache-dir={cache}")
        yield Step(("mypy", *options, "."), file.parent)


SPHINX = ("sphinx", "-W", "-n", "-q", "--keep-going", "doc/source", "doc/build/html")
CHECKS = (
    Check(
        "lint",
        (Step(("ruff", "check", ".")), Step(("ruff", "format", "--check", "."))),
        2 * MINUTES,
    ),
    Check("types", (Step(("mypy",)), *example_types()), 4 * MINUTES),
    Check("docs", (Step(SPHINX),), 3 * MINUTES),
    Check(
        "tests",
        (Step(("coverage", "erase")), Step(("coverage", "run", "-m", "pytest"))),
        15 * MINUTES,
    ),
    Check(
        "coverage",
        (Step(("coverage", "combine", "--quiet")), Step(("coverage", "report"))),
        2 * MINUTES,
    ),
)


def run(check: Check, environment: Mapping[str, str]) -> str | None:
    """Run one check.

    Returns:
        Why it failed, ``None`` if it did not.
    """
    deadline = time.monotonic() + check.limit_s
    for step in check.steps:
        line = " ".join(step.arguments)
        child = subprocess.Popen(
            [sys.executable, "-m", *step.arguments], cwd=step.folder, env=environment
        )
        try:
            status = child.wait(timeout=max(deadline - time.monotonic(), 1))
        except subprocess.TimeoutExpired:
            end(child)
            return f"{line}: took longer than {check.limit_s / MINUTES:.0f} minutes"
        except KeyboardInterrupt:
            end(child)
            raise
        if status:
            return f"{line}: exit status {status}"
    return None


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
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("pytest-of-"))


def main(names: Iterable[str]) -> int:
    """Run the named checks, all if none is named."""
    wanted = set(names)
    if unknown := wanted - {check.name for check in CHECKS}:
        print(f"No such check: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    # A short path: the address of a Unix socket has 107 bytes.
    temporary = Path(tempfile.mkdtemp(prefix="dpt-"))
    environment = os.environ | {"TMPDIR": str(temporary)}
    # The make that started this is not the one that a test starts.
    for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
        environment.pop(name, None)
    summary = []
    failed = False
    try:
        for check in CHECKS:
            if wanted and check.name not in wanted:
                continue
            print(f"--- {check.name}", flush=True)
            started = time.monotonic()
            reason = run(check, environment)
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
