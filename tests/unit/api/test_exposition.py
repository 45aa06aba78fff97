# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What is observed is exposed as Prometheus reads it, under the names that are documented."""

import re
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from deepaas.api.exposition import FAMILIES, expose
from deepaas.auth import Policy, Principal
from deepaas.execution.stats import CALL_ENDS, PoolStats, WorkerEnd
from deepaas.execution.tallies import BATCH_BOUNDS, Tallied
from deepaas.records import JobState
from deepaas.service.job_facts import JobFacts, JobGroup, Progress
from deepaas.service.observing import (
    ModelObservation,
    Observation,
    Processes,
    ServerProcess,
)
from deepaas.service.traffic import Asked
from deepaas.telemetry.histogram import DURATION_BOUNDS_S, LATENCY_BOUNDS_S, Buckets, Histogram
from deepaas.telemetry.stalls import LAG_BOUNDS_S

REFERENCE = Path(__file__).parents[3] / "doc/source/reference/metrics.rst"
ODD = 'cat "of" \\ \n many'


def filled(bounds: tuple[float, ...], *values: float) -> Buckets:
    histogram = Histogram(bounds)
    for value in values:
        histogram.add(value)
    return histogram.read()


def observation(name: str = "cat") -> Observation:
    """Return one with something of everything."""
    waits = filled(LATENCY_BOUNDS_S, 0.002, 0.2, 999.0)
    stats = PoolStats(
        3,
        2,
        {"ready": 2, "loading": 1},
        (1, 2),
        dict.fromkeys(CALL_ENDS, 4),
        {"died": 1},
        Tallied(waits, waits, filled(BATCH_BOUNDS, 64)),
    )
    asked = Asked(name, "/v2/models/{model}/predict/", "POST", "2xx")
    group = JobGroup(name, "train", JobState.DONE)
    return Observation(
        models=(ModelObservation(name, True, 7, stats, Processes(4096, 1)),),
        failed=("dog",),
        requests={asked: waits, asked._replace(status="5xx"): waits},
        in_flight=1,
        jobs=JobFacts({group: 5}, (Progress(name, "train", "0" * 32, 0.25),)),
        job_durations={group: filled(DURATION_BOUNDS_S, 90.0)},
        loop_lag=filled(LAG_BOUNDS_S, 0.002),
        loop_stalls=6,
        server=ServerProcess(8192, 30, 1.5, 1_800_000_000.0),
    )


def values(body: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return every sample by its name and its labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in read_text(body.decode())
        for sample in family.samples
    }


def test_every_number_is_there() -> None:
    body, content_type = expose(observation(), "")
    assert content_type == "text/plain; version=0.0.4; charset=utf-8"
    found = values(body)
    cat = ("model", "cat")
    route = (("method", "POST"), cat, ("route", "/v2/models/{model}/predict/"))
    assert found["deepaas_http_requests_total", (*route, ("status", "5xx"))] == 3
    # The classes of status together.
    assert found["deepaas_http_request_duration_seconds_count", route] == 6
    assert found["deepaas_http_request_duration_seconds_bucket", (("le", "0.25"), *route)] == 4
    assert found["deepaas_http_request_duration_seconds_bucket", (("le", "+Inf"), *route)] == 6
    assert found["deepaas_http_request_duration_seconds_sum", route] == pytest.approx(1998.404)
    assert found["deepaas_model_ready", (cat,)] == 1
    assert found["deepaas_model_ready", (("model", "dog"),)] == 0
    assert found["deepaas_workers", (cat, ("state", "ready"))] == 1
    assert found["deepaas_workers", (cat, ("state", "stopped"))] == 1
    assert found["deepaas_worker_ends_total", (cat, ("reason", "died"))] == 1
    assert found["deepaas_calls_total", (("end", "killed"), cat)] == 4
    assert found["deepaas_batch_size_calls_sum", (cat,)] == 64
    assert found["deepaas_jobs", (("kind", "train"), cat, ("state", "done"))] == 5
    progress = (("job", "0" * 32), ("kind", "train"), cat)
    assert found["deepaas_job_progress_ratio", progress] == 0.25
    assert found["deepaas_event_loop_stalls_total", ()] == 6


def test_nothing_is_told_of_models_that_the_caller_may_not_read() -> None:
    """Not that there are any; and of jobs only numbers to who does not see those of others."""
    read = frozenset({Policy.READ})
    for name, shown in (("cat", "dog"), ("dog", "cat")):
        watcher = Principal("key:a", read, {name: frozenset({Policy.PREDICT})})
        body, _ = expose(observation().seen_by(watcher), "")
        assert b'"%s"' % name.encode() not in body
        assert b'"%s"' % shown.encode() in body
    found = values(expose(observation().seen_by(Principal("key:a", read)), "")[0])
    assert found == {
        sample: value
        for sample, value in values(expose(observation(), "")[0]).items()
        if sample[0] != "deepaas_job_progress_ratio"
    }
    for policy in (Policy.JOBS, Policy.MANAGE):
        seen = observation().seen_by(Principal("key:a", read | {policy}))
        assert seen == observation()


@pytest.mark.parametrize(
    ("accept", "is_openmetrics"),
    [
        ("application/openmetrics-text", True),
        ("application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3", True),
        ("text/plain", False),
        ("text/plain;q=0.8, application/openmetrics-text;q=0.5", False),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;q=x", True),
        ("*/*", False),
        ("", False),
    ],
)
def test_a_client_gets_what_it_prefers(accept: str, is_openmetrics: bool) -> None:
    """As far as it says so in a way that can be read."""
    body, content_type = expose(observation(), accept)
    assert content_type.startswith("application/openmetrics-text") is is_openmetrics
    assert body.endswith(b"# EOF\n") is is_openmetrics


def test_both_formats_can_be_read_whatever_a_model_is_called() -> None:
    for accept, read in (
        ("text/plain", read_text),
        ("application/openmetrics-text", read_openmetrics),
    ):
        body, _ = expose(observation(ODD), accept)
        models = {
            sample.labels["model"]
            for family in read(body.decode())
            for sample in family.samples
            if "model" in sample.labels
        }
        assert models == {ODD, "dog"}


def test_names_say_what_they_count() -> None:
    """A counter ends in ``_total``, and everything begins alike."""
    for family in FAMILIES:
        assert re.fullmatch(r"deepaas_[a-z_]+", family.name)
        assert family.name.endswith("_total") is (family.kind == "counter")
        assert family.help.endswith(".")
        assert list(family.read(observation())) != []


def documented() -> dict[str, tuple[str, set[str]]]:
    """Return the metrics of the reference, with their kinds and labels."""
    rows = re.findall(
        r"^   \* - ``(deepaas_\w+)``\n     - (\w+)\n     - (.*)$",
        REFERENCE.read_text("utf-8"),
        re.MULTILINE,
    )
    return {name: (kind, set(re.findall(r"``(\w+)``", labels))) for name, kind, labels in rows}


def test_the_reference_names_every_metric_and_no_other() -> None:
    assert documented() == {family.name: (family.kind, set(family.labels)) for family in FAMILIES}


@pytest.mark.parametrize("word", [*CALL_ENDS, *map(str, WorkerEnd)])
def test_the_reference_explains_every_word(word: str) -> None:
    assert f"``{word}``" in REFERENCE.read_text("utf-8")
