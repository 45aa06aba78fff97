# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""``python -m benchmarks``: measure, print a table, keep the figures."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks import contenders, machine, report, results, rounds, workloads, wrk
from benchmarks.measuring import QUICK, Effort

LATEST = contenders.ROOT / "benchmarks" / "results" / "latest.json"


def main(argv: Sequence[str] | None = None) -> int:
    """Measure as the arguments say.

    Returns:
        0, also if a peer failed, for its cell says so; 1 if one of our own servers did; 2 for a
        wrong argument.
    """
    given = _parser().parse_args(argv)
    try:
        chosen = workloads.select(given.only)
        servers = contenders.select(given.peers)
    except ValueError as exc:
        print(exc, file=sys.stderr)
        return 2
    if given.servers:
        servers = [each for each in servers if each.name in given.servers.split(",")]
    if given.report:
        found = results.read(Path(given.report))
    else:
        found = rounds.run(
            chosen,
            servers,
            rounds=1 if given.quick else given.rounds,
            effort=_effort(given.quick, given.seconds),
            cores=machine.divide(frozenset(os.sched_getaffinity(0))),
            # Again and again: an hour's figures do not go with the last one.
            keep=lambda latest: results.write(latest, Path(given.json)),
        )
    print(report.markdown(found))
    if given.table:
        Path(given.table).write_text(report.restructured(found), "utf-8")
    return int(_has_failed(found))


def _has_failed(found: results.Results) -> bool:
    """Tell whether one of our own servers failed in a workload in which it takes part."""
    return any(
        found.cells[workload.name][server.name].problem
        for workload in workloads.WORKLOADS
        for server in contenders.select("")
        if workload.name in found.cells
        and server.name in found.cells[workload.name]
        and contenders.reason_against(server, workload) is None
    )


def _effort(quick: bool, seconds: float) -> Effort:
    effort = QUICK if quick else Effort(seconds=seconds)
    if effort.use_wrk and not wrk.is_there():
        print(
            "wrk is not installed (Debian: apt install wrk); a slower client of our own is used.",
            file=sys.stderr,
        )
        effort = replace(effort, use_wrk=False)
    return effort


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only", default="", metavar="WORKLOAD,…", help="names or their beginnings"
    )
    parser.add_argument("--peers", metavar="NAME,…", help="empty for none; all unless given")
    parser.add_argument("--servers", default="", metavar="NAME,…", help="of those, these alone")
    parser.add_argument("--rounds", type=int, default=5, help="(5)")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of each load (3)")
    parser.add_argument("--quick", action="store_true", help="one short round, without wrk")
    parser.add_argument("--json", default=str(LATEST), metavar="FILE", help="where figures go")
    parser.add_argument("--table", metavar="FILE", help="also write the tables as reStructuredText")
    parser.add_argument("--report", metavar="FILE", help="measure nothing, show these figures")
    return parser


if __name__ == "__main__":
    # As after Ctrl-C, what was started is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main())
