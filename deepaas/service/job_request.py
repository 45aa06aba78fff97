# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a client asks for who asks for a job."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from deepaas.auth import Principal
from deepaas.records import IdempotencyKey, Job, JobState

TRAIN: Final = "train"
EVALUATE: Final = "evaluate"


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A job that is asked for, without its input."""

    #: ``train``, ``evaluate`` or ``predict``: the name of the model's function too.
    kind: str
    #: Name of the model.
    model: str
    #: Who asks.
    principal: Principal
    #: Id of the request.
    request_id: str
    #: The principal's own name for the request. If it comes again, the job that was accepted the
    #: first time is returned, as it is then.
    key: str | None = None
    #: Number of the version that is named, ``None`` if none is.
    version: int | None = None

    def keyed(self, fingerprint: str) -> IdempotencyKey | None:
        """Return the key under which the job is kept, ``None`` without one.

        Args:
            fingerprint: Of all that is asked for.
        """
        if self.key is None:
            return None
        return IdempotencyKey(self.principal.name, self.model, self.kind, self.key, fingerprint)

    def new_job(self, arguments: str) -> Job:
        """Return the job, queued now, under an id of its own.

        Args:
            arguments: As they are shown, JSON text.
        """
        return Job(
            id=uuid.uuid4().hex,
            kind=self.kind,
            model=self.model,
            state=JobState.QUEUED,
            created=datetime.now(UTC),
            arguments=arguments,
            owner=self.principal.name,
        )
