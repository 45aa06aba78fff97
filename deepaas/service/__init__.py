# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Every use case, once: HTTP, command line and functions all come through here."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepaas.model.registry import ModelRegistry
from deepaas.service.describing import Descriptions
from deepaas.service.drain import Drain
from deepaas.service.evaluations import EvaluationService
from deepaas.service.fetching import UrlFetcher
from deepaas.service.health import HealthService
from deepaas.service.history import JobHistory
from deepaas.service.job_facts import JobObserver
from deepaas.service.jobs import JobService
from deepaas.service.monitoring import Monitoring
from deepaas.service.observing import Observer
from deepaas.service.predictions import PredictionService
from deepaas.service.pushing import ArtifactPusher
from deepaas.service.queueing import PredictionQueue
from deepaas.service.switching import Switching
from deepaas.service.traffic import Traffic
from deepaas.service.versions import VersionService
from deepaas.telemetry import Transcript

__all__ = [
    "ArtifactPusher",
    "Descriptions",
    "Drain",
    "EvaluationService",
    "HealthService",
    "JobHistory",
    "JobObserver",
    "JobService",
    "ModelRegistry",
    "Monitoring",
    "Observer",
    "PredictionQueue",
    "PredictionService",
    "Service",
    "Switching",
    "Traffic",
    "UrlFetcher",
    "VersionService",
]


@dataclass(frozen=True, slots=True)
class Service:
    """What the outside may ask for; opened by :func:`deepaas.wiring.open_service`."""

    models: ModelRegistry
    descriptions: Descriptions
    predictions: PredictionService
    jobs: JobService
    history: JobHistory
    versions: VersionService
    evaluations: EvaluationService
    health: HealthService
    queue: PredictionQueue
    #: Where uploads are written; removed when the service ends.
    uploads: Path
    #: Counts the requests.
    traffic: Traffic
    observer: Observer
    monitoring: Monitoring
    #: Done when every model is loaded and warm, and trainings run; ``None``: nothing to wait for.
    loading: asyncio.Future[None] | None = None
    #: What was logged and printed, ``None`` where that is not kept.
    transcript: Transcript | None = None
    #: Ends the predictions in order; ``None``: they end with the service.
    drain: Drain | None = None
    #: Replaces the workers one by one; ``None``: there are none.
    renew: Callable[[], Coroutine[Any, Any, None]] | None = None
