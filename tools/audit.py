# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Look for known vulnerabilities in what the tests are run with (tests/requirements.txt).

The advisories come from where packages come from. Where that has none, as many mirrors do not,
nothing can be audited, which is said and is no failure.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

LOCK = Path(__file__).resolve().parent.parent / "tests" / "requirements.txt"
#: For all advisories together, and for one of them.
LIMIT_S = 120
ANSWER_S = 15
#: What pip-audit says where it reaches nobody who has advisories.
_UNREACHED = ("requests.exceptions.", "your network may be blocking this service")


class Verdict(NamedTuple):
    """What an audit found."""

    is_good: bool
    text: str


def judge(report: Mapping[str, Any]) -> Verdict:
    """Return what a report of pip-audit says.

    Args:
        report: Its JSON: ``dependencies``, each with ``name``, and with ``version`` and ``vulns``
            or a ``skip_reason``.
    """
    packages = report["dependencies"]
    audited = [package for package in packages if "vulns" in package]
    if not audited:
        return Verdict(True, "Nothing was audited: no advisories can be had here.")
    found = [
        f"{package['name']} {package['version']}: {flaw['id']}"
        f" (mended in: {', '.join(flaw.get('fix_versions') or ['no version yet'])})"
        for package in audited
        for flaw in package["vulns"]
    ]
    skipped = [package["name"] for package in packages if "vulns" not in package]
    lines = [f"{len(audited)} packages audited, {len(found)} known vulnerabilities.", *found]
    if skipped:
        lines.append(f"Not audited, since there is no data: {', '.join(sorted(skipped))}.")
    return Verdict(not found, "\n".join(lines))


def audit(lock: Path = LOCK) -> Verdict:
    """Ask for the advisories of every locked package."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes"]
    options = ["--format=json", "--progress-spinner=off", f"--timeout={ANSWER_S}"]
    try:
        done = subprocess.run(
            [*command, *options, "--requirement", str(lock)],
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
        )
    except subprocess.TimeoutExpired:
        return Verdict(True, f"Nothing was audited: no advisories came within {LIMIT_S} s.")
    if not done.stdout:
        if any(sign in done.stderr for sign in _UNREACHED):
            return Verdict(True, "Nothing was audited: no advisories can be had here.")
        return Verdict(False, f"Nothing was audited:\n{done.stderr.strip()}")
    return judge(json.loads(done.stdout))


def main() -> int:
    """Return 1 if a vulnerability is known."""
    verdict = audit()
    print(verdict.text)
    return 0 if verdict.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
