# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Drive a load with wrk, which costs the client less than any program in Python."""

import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.client import PATIENCE_S
from benchmarks.contenders import Call

_SCRIPT = """
wrk.method = "POST"
local file = io.open(%(body)s, "rb")
wrk.body = file:read("*a")
file:close()
%(headers)s
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '\\n{"requests": %%d, "duration_us": %%d, "p50_us": %%f, "p99_us": %%f, "errors": %%d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.status + e.timeout))
end
"""


class WrkFailed(Exception):
    """wrk did not end as it should."""


@dataclass(frozen=True)
class WrkResult:
    """What wrk reports."""

    requests: int
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    errors: int


def is_there() -> bool:
    """Whether wrk is installed; it is a package of Debian of that name."""
    return shutil.which("wrk") is not None


def version() -> str:
    """Return wrk's own name and version."""
    text = subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False).stdout
    return " ".join(text.split()[:2]) or "wrk"


def script_for(call: Call, body: Path) -> str:
    """Write the Lua program that makes the request and prints the figures as JSON."""
    headers = "\n".join(
        f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}"
        for name, value in call.headers.items()
    )
    return _SCRIPT % {"body": json.dumps(str(body)), "headers": headers}


def read(output: str) -> WrkResult:
    """Read what :func:`script_for` made wrk print.

    Raises:
        WrkFailed: It printed no figures.
    """
    lines = [line for line in output.splitlines() if line.startswith("{")]
    if not lines:
        raise WrkFailed(f"wrk printed no figures: {output[-200:]}")
    found = json.loads(lines[-1])
    return WrkResult(
        requests=found["requests"],
        requests_per_s=found["requests"] / (found["duration_us"] / 1e6),
        p50_ms=found["p50_us"] / 1000,
        p99_ms=found["p99_us"] / 1000,
        errors=found["errors"],
    )


def run(port: int, call: Call, *, clients: int, seconds: float) -> WrkResult:
    """Call again and again.

    Raises:
        WrkFailed: wrk failed, or did not end in time.
    """
    with tempfile.TemporaryDirectory(prefix="wrk-") as folder:
        body, script = Path(folder) / "body", Path(folder) / "script.lua"
        body.write_bytes(call.body)
        script.write_text(script_for(call, body), "utf-8")
        load = (
            "-t1",
            f"-c{clients}",
            f"-d{max(round(seconds), 1)}s",
            f"--timeout={PATIENCE_S:.0f}s",
        )
        try:
            done = subprocess.run(
                ["wrk", *load, "-s", str(script), f"http://127.0.0.1:{port}{call.path}"],
                capture_output=True,
                text=True,
                timeout=seconds + PATIENCE_S,
                check=False,
            )
        except subprocess.TimeoutExpired as exc:
            raise WrkFailed("wrk did not end in time") from exc
    if done.returncode:
        raise WrkFailed(f"wrk ended with status {done.returncode}: {done.stderr[-200:]}")
    return read(done.stdout)
