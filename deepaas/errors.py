# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Every exception of the project, in one tree that knows no HTTP.

The first line of a class's docstring is its default message. Facts travel as attributes; the
message names the wrong value and what to do about it.
"""

from collections.abc import Mapping, Sequence
from typing import Any


class DeepaasError(Exception):
    """Something went wrong in DEEPaaS."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self._default())

    @classmethod
    def _default(cls) -> str:
        return (cls.__doc__ or "").partition("\n")[0]

    @property
    def message(self) -> str:
        """The text meant for people."""
        return str(self.args[0])

    @property
    def public_message(self) -> str:
        """The text meant for clients, which names no path of the server."""
        return self.message


class ConfigurationError(DeepaasError):
    """An option has a value that cannot be used."""


class CheckerMissing(ConfigurationError):
    """The program that judges a format is not installed."""


class ModelLoadError(DeepaasError):
    """A model cannot be loaded.

    Args:
        message: One sentence: which model, of which package, and why.
        name: The model's name.
        distribution: The package that declares it, ``None`` where no package does.
        traceback: The traceback of the cause as text, empty where there is none.
    """

    def __init__(
        self, message: str, *, name: str, distribution: str | None = None, traceback: str = ""
    ) -> None:
        super().__init__(message)
        self.name = name
        self.distribution = distribution
        self.traceback = traceback


class OutOfMemory(ModelLoadError):
    """There is not enough memory to load a model."""


class ModelNotFound(DeepaasError):
    """No model of that name is served here."""

    def __init__(self, name: str) -> None:
        super().__init__(f"No model named {name!r} is served here.")
        self.name = name


class NoModuleMetadata(DeepaasError):
    """The model's package has no metadata file."""


class InvalidInput(DeepaasError):
    """The input cannot be used.

    A model author raises this for a client's mistake; the client gets the message with status 400.
    """


class InvalidArguments(InvalidInput):
    """One or more arguments failed validation.

    Args:
        messages: Argument name on the wire to its list of messages, nested by index for lists:
            ``{"bbox": {1: ["Not a valid number."]}}``.
    """

    def __init__(self, messages: Mapping[str, Any]) -> None:
        super().__init__("; ".join(f"{name}: {text}" for name, text in messages.items()))
        self.messages = dict(messages)


class MalformedBody(InvalidInput):
    """The body of the request cannot be parsed."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        #: What the body claimed to be: ``json`` or ``form``.
        self.kind = kind


class TooLarge(InvalidInput):
    """The body of the request exceeds the limit."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"Maximum request body size {limit_bytes} exceeded.")
        self.limit_bytes = limit_bytes


class BodyTooSlow(InvalidInput):
    """The body of the request did not come in time."""


class Unauthenticated(DeepaasError):
    """Sign in first."""


class InvalidCredentials(Unauthenticated):
    """What the request signs in with is not valid; no message repeats it."""


class Forbidden(DeepaasError):
    """The caller may not do this."""


class TooManyRequests(DeepaasError):
    """The caller asks for too much.

    Args:
        message: What is too much.
        retry_after_s: In how many seconds it may ask again.
    """

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class NotImplementedByModel(DeepaasError):
    """The model lacks the function that this call needs."""

    def __init__(self, model: str) -> None:
        super().__init__(f"Not implemented by underlying model (loaded '{model}')")


class EndpointDisabled(DeepaasError):
    """This endpoint is switched off."""


class CallFailed(DeepaasError):
    """The model raised an exception.

    Args:
        type_name: Name of the exception's class.
        text: ``str()`` of the exception.
        traceback: Its traceback as text; for the log, never for a client.
        status: The HTTP status that the model chose, ``None`` if it chose none.
    """

    def __init__(
        self, type_name: str, text: str, *, traceback: str = "", status: int | None = None
    ) -> None:
        super().__init__(f"{type_name}: {text}" if text else type_name)
        self.type_name = type_name
        self.text = text
        self.traceback = traceback
        self.status = status


class InvalidAnswer(DeepaasError):
    """ERROR validating model response, check server logs.

    Args:
        message: What a client may see.
        detail: What only the log may say, empty where the message says it all.
    """

    def __init__(self, message: str | None = None, *, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


class Unavailable(DeepaasError):
    """The service cannot do this at the moment; try again later."""


class QueueFull(Unavailable):
    """Too many calls are waiting already; try again later."""


class WorkerDied(Unavailable):
    """The process that ran this call ended before it answered; try again."""


class IssuerUnavailable(Unavailable):
    """Who issued this token cannot be asked at the moment; try again later.

    The message names the issuer and the reason, for the operator.
    """

    @property
    def public_message(self) -> str:
        """The class's own sentence."""
        return self._default()


class TimedOut(DeepaasError):
    """The call took longer than the limit.

    Args:
        limit_s: The limit in seconds.
        waiting: Whether it was still waiting for a worker.
    """

    def __init__(self, limit_s: float, *, waiting: bool) -> None:
        what = "The call waited" if waiting else "The call took"
        super().__init__(f"{what} longer than the limit of {limit_s:g} s.")
        self.limit_s = limit_s
        self.waiting = waiting


class StorageUnavailable(Unavailable):
    """The server's storage cannot be used.

    The message names the path and the reason, for the operator.
    """

    @property
    def public_message(self) -> str:
        """The class's own sentence."""
        return self._default()


class StorageFull(StorageUnavailable):
    """No space is left in the server's storage."""


class GuardFailed(DeepaasError):
    """The process that supervises a training ended before it began."""


class JobNotFound(DeepaasError):
    """No such job."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"No job {job_id!r} is known here.")
        self.job_id = job_id


class IllegalTransition(DeepaasError):
    """A job cannot move from its state to the one asked for."""


class KeyReused(InvalidArguments):
    """This Idempotency-Key came with another input before."""

    def __init__(self, key: str) -> None:
        text = f"The key {key!r} came with another input before; use a new one for each request."
        super().__init__({"Idempotency-Key": [text]})
        self.key = key


class Conflict(DeepaasError):
    """This cannot be done as things stand."""


class JobNotEnded(Conflict):
    """The job has not ended."""

    def __init__(self, job_id: str) -> None:
        super().__init__(
            f"The job {job_id!r} has not ended; cancel it first, and try again once its processes"
            " are gone."
        )
        self.job_id = job_id


class ArtifactNotFound(DeepaasError):
    """The job has no such file."""

    def __init__(self, path: str) -> None:
        super().__init__(f"The job has no file {path!r}.")
        self.path = path


class VersionNotFound(DeepaasError):
    """The model has no such version."""

    def __init__(self, model: str, number: int) -> None:
        super().__init__(f"The model {model!r} has no version {number}.")
        self.number = number


class VersionFailed(DeepaasError):
    """The version cannot be served; what was served before is served on.

    Args:
        number: Of the version.
        reason: Why, in words of the model's perhaps.
    """

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(f"Version {number} cannot be served; nothing has changed: {reason}")
        self.number = number
        self.reason = reason


class CannotFetch(DeepaasError):
    """What an address leads to cannot be handed to the model.

    Its message is for clients: of what is not public it tells nothing, not even whether it exists.
    """


class RequestFailed(DeepaasError):
    """A service that was asked over the network did not do what it was asked for.

    Args:
        message: One line that names the address and the remedy.
        status: The HTTP status, ``None`` where no answer came, or not all of it.
    """

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status

    @property
    def may_pass(self) -> bool:
        """Whether the same request may succeed later: the service is gone, or is starting."""
        return self.status is None or self.status in (502, 503, 504)


class InvalidDocument(DeepaasError):
    """A file cannot be read as what it should be.

    Its message begins with the file and, where it is known, the line.
    """


class InvalidInputs(DeepaasError):
    """The values given for the inputs of a template do not fit them.

    Args:
        faults: One sentence each, at least one.
    """

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)


class RemoteFailed(DeepaasError):
    """A remote that keeps files did not do what it was asked for.

    Args:
        message: One line that names the remote and the remedy; no secret.
        is_missing: Whether there is nothing at the path that was asked for.
        may_pass: Whether the same may succeed later: the remote is gone, or the line is.
    """

    def __init__(self, message: str, *, is_missing: bool = False, may_pass: bool = False) -> None:
        super().__init__(message)
        self.is_missing = is_missing
        self.may_pass = may_pass
