# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Measure one workload on one server that runs."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import quantiles

from benchmarks import client, trainings, wrk
from benchmarks.answers import BadAnswer, decoded
from benchmarks.client import Connection
from benchmarks.contenders import Call, Contender
from benchmarks.servers import Server, ServerFailed
from benchmarks.workloads import MB, Kind, Workload, arguments_of, expected_of, holds

#: Figure to value, such as ``requests_per_s``.
Figures = dict[str, float]
_CONTENT = bytes(range(256)) * 4096  # 1 MiB
_SETTLE_S = 1.0
_PROBE_S = 0.005
_PROBE_PATIENCE_S = 10.0
#: A server that answers fewer requests a second is measured that much longer.
_FEW = 20
_LONGER = 4
#: And that much if it answered none at all.
_LONGEST = 8


@dataclass(frozen=True)
class Effort:
    """How much is measured."""

    #: Of one load.
    seconds: float = 3.0
    #: Before it, not measured.
    warm_up_s: float = 1.0
    #: Streams and short uploads are repeated within one round; the median counts.
    repeats: int = 5
    #: How long a server may take to answer first.
    start_limit_s: float = 30.0
    #: Whether to use wrk for loads.
    use_wrk: bool = True


QUICK = Effort(seconds=0.3, warm_up_s=0.0, repeats=1, use_wrk=False)


def request_of(contender: Contender, workload: Workload) -> Call:
    """Return the request of a workload, with its upload in the body if it is a load."""
    if workload.model != "file":
        return contender.call(workload.model, arguments_of(workload.model, workload.amount))
    call, before, after = contender.upload("file")
    return Call(call.path, call.headers, before + _CONTENT[:MB] + after)


def _check(status: int, body: bytes, model: str, amount: int) -> None:
    if status != 200:
        raise ServerFailed(f"it answered {status}: {body[:200].decode(errors='replace')}")
    try:
        answer = decoded(body)
    except BadAnswer as exc:
        raise ServerFailed(str(exc)) from exc
    if not holds(answer, expected_of(model, amount)):
        raise ServerFailed(f"it answered wrongly: {body[:200].decode(errors='replace')}")


def first_answer(server: Server, call: Call, workload: Workload, effort: Effort) -> float:
    """Ask until the server answers as it should.

    Returns:
        Seconds from its start to the answer.

    Raises:
        ServerFailed: It ended, answered wrongly, or took too long.
    """
    deadline = server.started_s + effort.start_limit_s
    reason = "it refused connections"
    amount = MB if workload.model == "file" else workload.amount
    while time.perf_counter() < deadline:
        server.require_running()
        try:
            with Connection(server.port, patience_s=_PROBE_PATIENCE_S) as connection:
                reader = connection.ask(call.raw)
            # Some listen before they are ready.
            if reader.status not in (404, 503):
                _check(reader.status, reader.body, workload.model, amount)
                return time.perf_counter() - server.started_s
            reason = f"it answered {reader.status}"
        except OSError:
            pass
        except BadAnswer as exc:
            reason = str(exc)
        time.sleep(_PROBE_S)
    raise ServerFailed(f"it was not ready after {effort.start_limit_s:.0f} s: {reason}")


def measure(
    server: Server, contender: Contender, workload: Workload, start_s: float, effort: Effort
) -> Figures:
    """Measure one workload.

    Args:
        server: Has answered already.
        contender: Which one it is.
        workload: What to do.
        start_s: What :func:`first_answer` gave.
        effort: How much.

    Raises:
        ServerFailed: A call failed.
    """
    try:
        match workload.kind:
            case Kind.START:
                time.sleep(_SETTLE_S)
                return {"start_s": start_s, "pss_mb": server.proportional_mb()}
            case Kind.LOAD:
                return _load(server, contender, workload, effort)
            case Kind.HEALTH:
                return _health(server, contender, workload, effort)
            case Kind.UPLOAD:
                return _upload(server, contender, workload)
            case Kind.STREAM:
                return _stream(server, contender, workload, effort)
            case Kind.TRAININGS:
                return trainings.measure(server, contender, workload, effort.seconds)
    except (BadAnswer, OSError, wrk.WrkFailed) as exc:
        raise ServerFailed(str(exc)) from exc


@contextmanager
def _cpu(server: Server) -> Iterator[list[float]]:
    """Give a list that holds, when the block has ended, the seconds that the server has used."""
    used: list[float] = []
    before = server.cpu_s()
    yield used
    used.append(server.cpu_s() - before)


def _load(server: Server, contender: Contender, workload: Workload, effort: Effort) -> Figures:
    call = request_of(contender, workload)
    if not effort.use_wrk:
        return _own_load(server, call, workload, effort)
    clients, seconds = workload.concurrency, effort.seconds
    warm = wrk.run(server.port, call, clients=clients, seconds=effort.warm_up_s)
    if warm.requests < _FEW * effort.warm_up_s:
        seconds *= _LONGER if warm.requests else _LONGEST
    # wrk goes without the answers that it waits for; what they cost is not to be counted.
    _drain(server, call)
    with _cpu(server) as used:
        seen = wrk.run(server.port, call, clients=clients, seconds=seconds)
        _drain(server, call)
    if not seen.requests:
        raise ServerFailed(f"no call was answered in {seconds:.0f} s")
    if seen.errors:
        raise ServerFailed(f"{seen.errors} of {seen.requests} calls failed")
    return {
        "requests_per_s": seen.requests_per_s,
        "p50_ms": seen.p50_ms,
        "p99_ms": seen.p99_ms,
        "cpu_us": used[0] / seen.requests * 1e6,
    }


def _drain(server: Server, call: Call) -> None:
    """Wait until one more call is answered, and those before it have been, too."""
    with Connection(server.port) as connection:
        connection.ask(call.raw)


def _own_load(server: Server, call: Call, workload: Workload, effort: Effort) -> Figures:
    clients, seconds = workload.concurrency, effort.seconds
    if effort.warm_up_s:
        client.call_again(server.port, call.raw, clients=clients, seconds=effort.warm_up_s)
    with _cpu(server) as used:
        load, _ = client.call_again(server.port, call.raw, clients=clients, seconds=seconds)
    return {**_figures(load), "cpu_us": used[0] / len(load.latencies_s) * 1e6}


def _figures(load: client.Load) -> Figures:
    if load.problems or len(load.latencies_s) < 2:
        first = load.problems[0] if load.problems else "too few answers"
        total = len(load.problems) + len(load.latencies_s)
        raise ServerFailed(f"{len(load.problems)} of {total} calls failed: {first}")
    cuts = quantiles(load.latencies_s, n=100, method="inclusive")
    return {
        "requests_per_s": len(load.latencies_s) / load.duration_s,
        "p50_ms": cuts[49] * 1000,
        "p99_ms": cuts[98] * 1000,
        "worst_ms": max(load.latencies_s) * 1000,
    }


def _health(server: Server, contender: Contender, workload: Workload, effort: Effort) -> Figures:
    call = request_of(contender, workload)
    aside = f"GET {contender.health} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    with _cpu(server) as used:
        load, beside = client.call_again(
            server.port,
            call.raw,
            clients=workload.concurrency,
            seconds=effort.seconds,
            aside=aside,
        )
    health = _figures(beside)
    return {
        **_figures(load),
        "cpu_us": used[0] / len(load.latencies_s) * 1e6,
        "health_p50_ms": health["p50_ms"],
        "health_p99_ms": health["p99_ms"],
        "health_worst_ms": health["worst_ms"],
    }


def _upload(server: Server, contender: Contender, workload: Workload) -> Figures:
    call, before, after = contender.upload(workload.model)
    head = call.head(len(before) + workload.amount + len(after))
    resident_mb = server.resident_mb()
    server.reset_peaks()
    with Connection(server.port) as connection, _cpu(server) as used:
        started = time.perf_counter()
        connection.send(head, before, after, content=_CONTENT, total=workload.amount)
        reader, _ = connection.receive()
        seconds = time.perf_counter() - started
    _check(reader.status, reader.body, workload.model, workload.amount)
    # Memory given back between the two looks may make it less than nothing.
    growth_mb = max(server.peak_mb() - resident_mb, 0.0)
    return {"seconds": seconds, "growth_mb": growth_mb, "cpu_us": used[0] * 1e6}


def _stream(server: Server, contender: Contender, workload: Workload, effort: Effort) -> Figures:
    request = request_of(contender, workload).raw
    rates, firsts = [], []
    with _cpu(server) as used:
        for _ in range(effort.repeats + 1):
            with Connection(server.port) as connection:
                started = time.perf_counter()
                connection.send(request)
                reader, first_s = connection.receive(counted=b"\n")
                seconds = time.perf_counter() - started
            _check(reader.status, reader.body, workload.model, workload.amount)
            if reader.count != workload.amount:
                raise ServerFailed(f"{reader.count} of {workload.amount} items came")
            rates.append(workload.amount / seconds)
            firsts.append((first_s - started) * 1000)
    # The first one only warms up.
    middle = (effort.repeats - 1) // 2
    return {
        "items_per_s": sorted(rates[1:])[middle],
        "first_ms": sorted(firsts[1:])[middle],
        "cpu_us": used[0] / len(rates) * 1e6,
    }
