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
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MINUTES = 60.0
#: What a check that was interrupted gets to clean up.
GRACE_S = 30.0


@dataclass(frozen=True)
class Check:
    """One check: command lines that run one after the other until one fails."""

    name: str
    #: Arguments of ``python -m``.
    modules: tuple[tuple[str, ...], ...]
    limit_s: float
    #: Where the command lines run, one after the other.
    folders: tuple[Path, ...] = (ROOT,)


#: Each a project of its own, whose modules are found from its folder.
EXAMPLES = tuple(sorted(path.parent for path in ROOT.glob("examples/*/setup.cfg")))


CHECKS = (
    Check("lint", (("ruff", "check", "."), ("ruff", "format", "--check", ".")), 2 * MINUTES),
    Check("types", (("mypy",),), 4 * MINUTES),
    Check(
        "types of the examples",
        (("mypy", f"--config-file={ROOT / 'setup.cfg'}", f"--cache-dir={ROOT / '.mypy_cache'}", "."),),
        4 * MINUTES,
        EXAMPLES,
    ),
    Check(
        "docs",
        (("sphinx", "-W", "-n", "-q", "--keep-going", "doc/source", "doc/build/html"),),
        3 * MINUTES,
    ),
    Check(
        "tests",
        (
            ("coverage", "erase"),
            ("coverage", "run", "-m", "pytest"),
        ),
        15 * MINUTES,
    ),
    Check("coverage", (("coverage", "combine", "--quiet"), ("coverage", "report")), 2 * MINUTES),
)


def run(check: Check, environment: Mapping[str, str]) -> str | None:
    """Run one check.

    Returns:
        Why it failed, ``None`` if it did not.
    """
    deadline = time.monotonic() + check.limit_s
    for arguments in check.modules:
        child = subprocess.Popen([sys.executable, "-m", *arguments], cwd=ROOT, env=environment)
        try:
            status = child.wait(timeout=max(deadline - time.monotonic(), 1))
        except subprocess.TimeoutExpired:
            end(child)
            return f"{' '.join(arguments)}: took longer than {check.limit_s / MINUTES:.0f} minutes"
        except KeyboardInterrupt:
            end(child)
            raise
        if status:
            return f"{' '.join(arguments)}: exit status {status}"
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
