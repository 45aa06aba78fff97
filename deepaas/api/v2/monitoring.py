# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What was seen of a model over time."""

import asyncio
from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web

from deepaas.api import monitoring_parameters, parameters
from deepaas.api.keys import SERVICE
from deepaas.api.v2.responses import json_text
from deepaas.model.encoding import encode_json
from deepaas.records import JobState
from deepaas.service.monitoring import quantile
from deepaas.store.monitoring import Seen, Series, Step

_QUANTILES: Final = {"p50_s": 0.5, "p95_s": 0.95, "p99_s": 0.99}


async def history(request: web.Request) -> web.Response:
    """Answer the samples of a span of time."""
    asked = parameters.read(request, monitoring_parameters.history())
    step = Step[asked["step"].upper()]
    found = await request.app[SERVICE].monitoring.history(
        request.match_info["model"],
        step,
        since=datetime.fromtimestamp(asked["since"], UTC),
        until=datetime.fromtimestamp(asked["until"], UTC),
        limit=asked["limit"],
    )
    # A week of minutes would hold up everybody else for some tenths of a second.
    return json_text(await asyncio.to_thread(_encoded, step, found))


def _encoded(step: Step, found: Series) -> bytes:
    return encode_json({"step_s": step.seconds, "samples": [_sample(seen) for seen in found]})


def _sample(seen: Seen) -> dict[str, Any]:
    return {
        "time": seen.time.isoformat(),
        "samples": seen.samples,
        "ready": seen.ready / seen.samples if seen.samples else None,
        "requests": dict(seen.requests),
        "predictions": {
            "count": sum(seen.latencies.values()),
            "sum_s": seen.latency_sum_s,
            **{name: quantile(seen.latencies, share) for name, share in _QUANTILES.items()},
        },
        "jobs": {state.value: seen.jobs.get(state.value, 0) for state in JobState},
    }
