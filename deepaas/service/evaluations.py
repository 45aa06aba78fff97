# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Measure how good the versions of a model are."""

from functools import partial

from deepaas.auth import Principal
from deepaas.records import Job
from deepaas.service.incoming import Incoming
from deepaas.service.job_request import EVALUATE, JobRequest
from deepaas.service.jobs import JobService
from deepaas.service.versions import VersionService


class EvaluationService:
    """Evaluates versions; what is found out, :meth:`VersionService.list` tells."""

    def __init__(self, jobs: JobService, versions: VersionService) -> None:
        self._jobs = jobs
        self._versions = versions

    async def start(
        self,
        model: str,
        incoming: Incoming,
        version: int | None = None,
        *,
        principal: Principal,
        request_id: str,
        key: str | None = None,
    ) -> Job:
        """Accept an evaluation; otherwise as :meth:`JobService.train`. Releases ``incoming``.

        Args:
            model: Its name.
            incoming: The input.
            version: Number of the version to evaluate; ``None``: the one that this server serves
                now, whatever is served when the evaluation starts.
            principal: Who asks.
            request_id: Of the request.
            key: The principal's own name for the request.

        Raises:
            VersionNotFound: There is none of that number.
            Conflict: Its files are gone.
        """
        request = JobRequest(EVALUATE, model, principal, request_id, key, version)
        return await self._jobs.accept(
            request, incoming, partial(self._versions.find, model, version)
        )
