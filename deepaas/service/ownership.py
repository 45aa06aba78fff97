# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Jobs belong to who made them."""

from typing import Final

from deepaas.auth import Policy, Principal
from deepaas.errors import Forbidden
from deepaas.execution.queued import PREDICT
from deepaas.records import Job

#: What somebody may do who deals with their own jobs; other kinds are trainings of a sort.
_NEEDED: Final = {PREDICT: Policy.PREDICT}


def sees_all(principal: Principal, model: str) -> bool:
    """Tell whether somebody sees the jobs of others."""
    return principal.may(Policy.JOBS, model) or principal.may(Policy.MANAGE, model)


def may_see(principal: Principal, job: Job) -> bool:
    """Tell whether a job is there for somebody who knows its id.

    What anonymous callers have made is there for all of them: nothing tells them apart, and an id
    cannot be guessed.
    """
    return job.owner == principal.name or sees_all(principal, job.model)


def is_told(principal: Principal, model: str, owner: str | None) -> bool:
    """Tell whether somebody who did not name a job is told its id.

    That of a job which an anonymous caller has made is not even told to anonymous callers: to know
    it is to have the job.
    """
    return sees_all(principal, model) or (owner is not None and owner == principal.name)


def require_change(principal: Principal, job: Job) -> None:
    """Check that somebody may cancel, repeat or remove a job that they may see.

    Raises:
        Forbidden: It is another's, or calls of its kind are not allowed.
    """
    needed = _NEEDED.get(job.kind, Policy.TRAIN)
    if not principal.may(needed, job.model):
        raise Forbidden(f"This takes the right to {needed}, for the model {job.model!r}.")
    if job.owner != principal.name and not principal.may(Policy.MANAGE, job.model):
        raise Forbidden(
            "The job is another's: only who made it, or may manage the model, can do this."
        )
