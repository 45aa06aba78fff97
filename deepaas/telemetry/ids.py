# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What is being served in this context: set once for each call, and in every line of the log."""

from contextvars import ContextVar

#: Id of the request, empty outside one; of a job, that of the request that asked for it.
request_id: ContextVar[str] = ContextVar("request_id", default="")
#: Name of who made that request, ``None`` for anonymous.
principal: ContextVar[str | None] = ContextVar("principal", default=None)
#: Name of the model that it is about, empty for none.
model: ContextVar[str] = ContextVar("model", default="")
#: Id of the job that runs, empty outside one.
job: ContextVar[str] = ContextVar("job", default="")


def current_ids() -> dict[str, str | None]:
    """Return what this context says, ``None`` for what it does not."""
    return {
        "request_id": request_id.get() or None,
        "model": model.get() or None,
        "job": job.get() or None,
        "principal": principal.get(),
    }
