# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Go through the rounds: every server in turn, so that a noisy minute hits all of them."""

import datetime
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from benchmarks import contenders, environments, machine, wrk
from benchmarks.contenders import Contender
from benchmarks.environments import CannotInstall
from benchmarks.machine import Cores
from benchmarks.measuring import Effort, first_answer, measure, request_of
from benchmarks.results import Results, rotated
from benchmarks.servers import ServerFailed, pinned, serve
from benchmarks.workloads import Workload

#: Longer reasons are cut: they stand in a table.
_REASON_LENGTH = 160


def run(
    workloads: Sequence[Workload],
    servers: Sequence[Contender],
    *,
    rounds: int,
    effort: Effort,
    cores: Cores,
    keep: Callable[[Results], None],
) -> Results:
    """Measure all workloads on all servers, in alternating rounds.

    What fails is noted with its reason, and is not tried again in later rounds.

    Args:
        workloads: What to measure.
        servers: On what.
        rounds: How often.
        effort: How long, and with which client.
        cores: Who runs where.
        keep: Called with what there is whenever a model has been measured on all servers.
    """
    client = wrk.version() if effort.use_wrk else "a client of our own (wrk is not installed)"
    results = Results(
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="minutes"),
        machine=machine.describe(client),
        rounds=rounds,
        servers={each.name: each.title for each in servers},
    )
    _note_what_is_impossible(results, workloads, servers)
    for number in range(rounds):
        for group in groups(workloads):
            for contender in rotated(servers, number):
                pending = [
                    each for each in group if not results.cell(each.name, contender.name).problem
                ]
                if pending:
                    _say(f"round {number + 1}/{rounds}: {pending[0].model} on {contender.title}")
                    _measure_group(results, contender, pending, effort, cores)
            keep(results)
    return results


def groups(workloads: Sequence[Workload]) -> list[list[Workload]]:
    """Put together what one start of a server can be measured with."""
    found: dict[tuple[object, ...], list[Workload]] = {}
    for workload in workloads:
        found.setdefault(workload.start, []).append(workload)
    return list(found.values())


def _note_what_is_impossible(
    results: Results, workloads: Iterable[Workload], servers: Iterable[Contender]
) -> None:
    workloads = list(workloads)
    for contender in servers:
        missing = None
        if contender.is_peer:
            try:
                environments.ensure(contender.name)
            except CannotInstall as exc:
                missing = f"cannot be installed: {exc}"[:_REASON_LENGTH]
        for workload in workloads:
            results.cell(workload.name, contender.name).problem = (
                missing or contenders.reason_against(contender, workload)
            )


def _measure_group(
    results: Results,
    contender: Contender,
    group: Sequence[Workload],
    effort: Effort,
    cores: Cores,
) -> None:
    """Start a server once and measure all that it is good for."""
    python = contenders.interpreter(contender, environments.FOLDER)
    is_pinned = group[0].pinned
    done: set[str] = set()
    try:
        with (
            serve(
                contender, group[0].model, python, cores=cores.server if is_pinned else None
            ) as server,
            pinned(cores.client if is_pinned else None),
        ):
            # A load's answer is checked here; what comes later is only counted.
            start_s = first_answer(server, request_of(contender, group[0]), group[0], effort)
            for workload in group:
                with _noting(results, workload, contender):
                    figures = measure(server, contender, workload, start_s, effort)
                    results.cell(workload.name, contender.name).add(figures)
                done.add(workload.name)
    except ServerFailed as exc:
        for workload in group:
            if workload.name not in done:
                _note(results, workload, contender, exc)


@contextmanager
def _noting(results: Results, workload: Workload, contender: Contender) -> Iterator[None]:
    try:
        yield
    except ServerFailed as exc:
        _note(results, workload, contender, exc)


def _note(results: Results, workload: Workload, contender: Contender, exc: ServerFailed) -> None:
    reason = " ".join(str(exc).split()).replace(f"{contenders.ROOT}/", "")[:_REASON_LENGTH]
    results.cell(workload.name, contender.name).problem = reason
    _say(f"{workload.name} on {contender.title} failed: {exc}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
