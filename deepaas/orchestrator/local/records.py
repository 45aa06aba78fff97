# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What the local orchestrator knows of a deployment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from deepaas.errors import DeepaasError


class Status(StrEnum):
    """How far a deployment is, in the contract's words."""

    #: Asked for; its programs are starting, or its job runs.
    CREATE_IN_PROGRESS = "CREATE_IN_PROGRESS"
    #: Its services answer; its job has ended well.
    CREATE_COMPLETE = "CREATE_COMPLETE"
    #: Nothing of it runs.
    CREATE_FAILED = "CREATE_FAILED"
    UPDATE_IN_PROGRESS = "UPDATE_IN_PROGRESS"
    UPDATE_COMPLETE = "UPDATE_COMPLETE"
    #: The new template could not be started; nothing of it runs.
    UPDATE_FAILED = "UPDATE_FAILED"
    DELETE_IN_PROGRESS = "DELETE_IN_PROGRESS"
    #: Nothing of it runs any more; it stays in the list.
    DELETE_COMPLETE = "DELETE_COMPLETE"
    DELETE_FAILED = "DELETE_FAILED"
    UNKNOWN = "UNKNOWN"


#: From which an update may start.
UPDATABLE: Final = (Status.CREATE_COMPLETE, Status.UPDATE_COMPLETE, Status.UPDATE_FAILED)
#: In which programs of a deployment are meant to run.
RUNNING: Final = (Status.CREATE_COMPLETE, Status.UPDATE_COMPLETE)
#: What a state becomes when its work is done.
COMPLETE: Final = {
    Status.CREATE_IN_PROGRESS: Status.CREATE_COMPLETE,
    Status.UPDATE_IN_PROGRESS: Status.UPDATE_COMPLETE,
}
#: What a state becomes when its work fails, or what ran ends.
FAILED: Final = {
    Status.CREATE_IN_PROGRESS: Status.CREATE_FAILED,
    Status.CREATE_COMPLETE: Status.CREATE_FAILED,
    Status.UPDATE_IN_PROGRESS: Status.UPDATE_FAILED,
    Status.UPDATE_COMPLETE: Status.UPDATE_FAILED,
    Status.DELETE_IN_PROGRESS: Status.DELETE_FAILED,
}


class Refused(DeepaasError):
    """The orchestrator refuses a request.

    Args:
        status: The HTTP status that the contract gives it.
        message: The contract's text.
        retry_after_s: When the same request may be repeated, ``None`` where it need not be.
    """

    def __init__(self, status: int, message: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s


class CannotDeploy(DeepaasError):
    """A template is right, and cannot be deployed here; the message becomes the status reason."""


@dataclass(frozen=True)
class Program:
    """A command that a node of a template stands for."""

    #: Name of the node.
    node: str
    #: Whether it runs to its end once, rather than to serve.
    is_job: bool
    argv: tuple[str, ...]
    #: Added to the environment of the orchestrator.
    environment: Mapping[str, str]
    #: The port that its container would listen on.
    port: int = 5000
    #: Whether it needs that very port, on an address of its own, since outputs name it.
    has_address: bool = False
    #: Before every route of the service.
    base_path: str = ""
    scheme: str = "http"
    #: Made before it starts, relative to the deployment's folder.
    folders: tuple[str, ...] = ()
    #: What was left out of the template, for the log.
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Running:
    """A process that was started for a node."""

    node: str
    pid: int
    #: In clock ticks since boot, so that another process of that number is not taken for it.
    started: str
    address: str
    port: int


@dataclass(frozen=True)
class Deployment:
    """A deployment as it is kept."""

    uuid: str
    template: str
    created: datetime
    updated: datetime
    parameters: Mapping[str, Any] = field(default_factory=dict)
    status: Status = Status.CREATE_IN_PROGRESS
    reason: str | None = None
    outputs: Mapping[str, Any] = field(default_factory=dict)
    callback: str | None = None
    user_group: str | None = None
    timeout_mins: int | None = None
    processes: tuple[Running, ...] = ()
