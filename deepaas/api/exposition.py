# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What is observed, in the formats of Prometheus.

:data:`FAMILIES` is the whole of it; the reference describes each, and a test compares the two.
"""

import platform
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from deepaas import __version__
from deepaas.service.observing import ModelObservation, Observation
from deepaas.service.traffic import Asked
from deepaas.telemetry.histogram import Buckets

if TYPE_CHECKING:
    from prometheus_client import Metric

TEXT: Final = "text/plain"
OPENMETRICS: Final = "application/openmetrics-text"

_QUALITY: Final = re.compile(r";\s*q=([01](?:\.[0-9]{0,3})?)\s*(?:;|$)", re.IGNORECASE)

#: The values of the labels, in their order, and what was found for them.
Sample = tuple[tuple[str, ...], float | Buckets]


@dataclass(frozen=True, slots=True)
class Family:
    """Metrics of one name."""

    #: As they are asked for: that of a counter ends in ``_total``.
    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...]
    #: Finds its samples.
    read: Callable[[Observation], Iterable[Sample]]


def _requests(found: Observation) -> Iterator[Sample]:
    return ((asked, buckets.number) for asked, buckets in found.requests.items())


def _durations(found: Observation) -> Iterable[Sample]:
    """Put the classes of status together: each would have all the buckets anew."""
    together: dict[tuple[str, ...], Buckets] = {}
    for asked, buckets in found.requests.items():
        known = together.get(asked[:3])
        together[asked[:3]] = buckets if known is None else known.plus(buckets)
    return together.items()


def _of_models(
    value: Callable[[ModelObservation], float | Buckets],
) -> Callable[[Observation], Iterator[Sample]]:
    return lambda found: (((model.name,), value(model)) for model in found.models)


def _by_name(
    values: Callable[[ModelObservation], Mapping[str, int]],
) -> Callable[[Observation], Iterator[Sample]]:
    return lambda found: (
        ((model.name, name), count)
        for model in found.models
        for name, count in values(model).items()
    )


def _batches(found: Observation) -> Iterator[Sample]:
    """Leave out models that have none."""
    sizes = (((model.name,), model.stats.tallied.batches) for model in found.models)
    return (sample for sample in sizes if sample[1].number)


def _ready(found: Observation) -> Iterator[Sample]:
    yield from (((model.name,), float(model.is_ready)) for model in found.models)
    yield from (((name,), 0.0) for name in found.failed)


def _alone(
    value: Callable[[Observation], float | Buckets],
) -> Callable[[Observation], Iterable[Sample]]:
    return lambda found: [((), value(found))]


_REQUEST: Final = Asked._fields
_JOBS: Final = ("model", "kind", "state")

FAMILIES: Final = (
    Family(
        "deepaas_build_info",
        "gauge",
        "Always 1; the labels say what runs.",
        ("version", "python"),
        lambda found: [((__version__, platform.python_version()), 1.0)],
    ),
    Family(
        "deepaas_http_requests_total",
        "counter",
        "Requests that were answered, or whose client left.",
        _REQUEST,
        _requests,
    ),
    Family(
        "deepaas_http_request_duration_seconds",
        "histogram",
        "Time from a request's head to its answer, of a stream to its end.",
        _REQUEST[:3],
        _durations,
    ),
    Family(
        "deepaas_http_requests_in_flight",
        "gauge",
        "Requests that are being answered, the one that asks included.",
        (),
        _alone(lambda found: found.in_flight),
    ),
    Family(
        "deepaas_model_ready",
        "gauge",
        "1 if a model can be called, 0 if not.",
        ("model",),
        _ready,
    ),
    Family(
        "deepaas_model_version",
        "gauge",
        "Number of the version that is served; 0: the package as installed.",
        ("model",),
        _of_models(lambda model: model.version),
    ),
    Family(
        "deepaas_calls_waiting",
        "gauge",
        "Calls that wait for a worker.",
        ("model",),
        _of_models(lambda model: model.stats.waiting),
    ),
    Family(
        "deepaas_calls_running",
        "gauge",
        "Calls that workers run.",
        ("model",),
        _of_models(lambda model: model.stats.running),
    ),
    Family(
        "deepaas_calls_total",
        "counter",
        "Calls that have ended, by how.",
        ("model", "end"),
        _by_name(lambda model: model.stats.calls),
    ),
    Family(
        "deepaas_call_wait_seconds",
        "histogram",
        "Time that calls waited for a worker.",
        ("model",),
        _of_models(lambda model: model.stats.tallied.waited),
    ),
    Family(
        "deepaas_call_duration_seconds",
        "histogram",
        "Time that a worker took for a call.",
        ("model",),
        _of_models(lambda model: model.stats.tallied.ran),
    ),
    Family(
        "deepaas_batch_size_calls",
        "histogram",
        "Calls in a batch.",
        ("model",),
        _batches,
    ),
    Family(
        "deepaas_workers",
        "gauge",
        "Workers in each state.",
        ("model", "state"),
        _by_name(lambda model: model.workers),
    ),
    Family(
        "deepaas_worker_ends_total",
        "counter",
        "Workers that have ended, by the reason; another takes the place of each.",
        ("model", "reason"),
        _by_name(lambda model: model.stats.worker_ends),
    ),
    Family(
        "deepaas_workers_resident_memory_bytes",
        "gauge",
        "Resident memory of a model's workers together.",
        ("model",),
        _of_models(lambda model: model.processes.resident_bytes),
    ),
    Family(
        "deepaas_jobs",
        "gauge",
        "Jobs in each state, those of other servers on the state directory included.",
        _JOBS,
        lambda found: found.jobs.counts.items(),
    ),
    Family(
        "deepaas_job_progress_ratio",
        "gauge",
        "How far a running job is, from 0 to 1, if it says so.",
        ("model", "kind", "job"),
        lambda found: (
            ((each.model, each.kind, each.job), each.fraction) for each in found.jobs.progress
        ),
    ),
    Family(
        "deepaas_job_duration_seconds",
        "histogram",
        "Time that jobs ran which this server has followed to their end.",
        _JOBS,
        lambda found: found.job_durations.items(),
    ),
    Family(
        "deepaas_event_loop_lag_seconds",
        "histogram",
        "How late the event loop turned, looked at some times a second.",
        (),
        _alone(lambda found: found.loop_lag),
    ),
    Family(
        "deepaas_event_loop_stalls_total",
        "counter",
        "How often the event loop stood still for longer than the option slow-callback says.",
        (),
        _alone(lambda found: found.loop_stalls),
    ),
    Family(
        "deepaas_server_resident_memory_bytes",
        "gauge",
        "Resident memory of the server's process.",
        (),
        _alone(lambda found: found.server.resident_bytes),
    ),
    Family(
        "deepaas_server_open_descriptors",
        "gauge",
        "Descriptors that the server's process has open.",
        (),
        _alone(lambda found: found.server.open_descriptors),
    ),
    Family(
        "deepaas_server_cpu_seconds_total",
        "counter",
        "Processor time of the server's process.",
        (),
        _alone(lambda found: found.server.cpu_s),
    ),
    Family(
        "deepaas_server_start_time_seconds",
        "gauge",
        "When the server's process started, in seconds since 1970.",
        (),
        _alone(lambda found: found.server.started_s),
    ),
)


class _Found:
    """An observation as the library collects it."""

    def __init__(self, found: Observation) -> None:
        self._found = found

    def collect(self) -> "Iterator[Metric]":
        return (_metric(family, self._found) for family in FAMILIES)


def _metric(family: Family, found: Observation) -> "Metric":
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
    )

    if family.kind == "histogram":
        histogram = HistogramMetricFamily(family.name, family.help, labels=family.labels)
        for labels, value in family.read(found):
            assert isinstance(value, Buckets)
            histogram.add_metric(labels, [*_cumulative(value)], value.total)
        return histogram
    kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    plain = kind(family.name, family.help, labels=family.labels)
    for labels, value in family.read(found):
        assert not isinstance(value, Buckets)
        plain.add_metric(labels, value)
    return plain


def _cumulative(buckets: Buckets) -> Iterator[tuple[str, float]]:
    """Give each bound with the number of values up to it, as the formats want it."""
    up_to = 0
    for bound, count in zip((*buckets.bounds, float("inf")), buckets.counts, strict=True):
        up_to += count
        yield ("+Inf" if bound == float("inf") else repr(float(bound))), up_to


def _wants_openmetrics(accept: str) -> bool:
    """Whether a client prefers that format; of what it says of each only the best counts.

    The versions that Prometheus lists with it are left to it: what is sent says which it is.
    """
    qualities = {TEXT: 0.0, OPENMETRICS: 0.0}
    for part in accept.split(","):
        kind = part.partition(";")[0].strip().lower()
        if kind in qualities:
            found = _QUALITY.search(part)
            qualities[kind] = max(qualities[kind], float(found[1]) if found else 1.0)
    return qualities[OPENMETRICS] > qualities[TEXT]


def expose(found: Observation, accept: str) -> tuple[bytes, str]:
    """Return the body of an answer and its ``Content-Type``; blocks for some milliseconds.

    Args:
        found: What was observed.
        accept: The request's header ``Accept``: OpenMetrics where that is preferred to plain text.
    """
    if _wants_openmetrics(accept):
        from prometheus_client.openmetrics.exposition import generate_latest as openmetrics

        # It has no types.
        body: bytes = openmetrics(_Found(found), version="1.0.0")  # type: ignore[no-untyped-call]
        return body, f"{OPENMETRICS}; version=1.0.0; charset=utf-8"
    from prometheus_client.exposition import generate_latest

    return generate_latest(_Found(found)), f"{TEXT}; version=0.0.4; charset=utf-8"
