# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The frozen records and states that cross the borders between the parts.

Nothing here imports another part of the project, or anything outside the standard library.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum, StrEnum
from pathlib import PurePath
from typing import Any, Final, NamedTuple

#: The most calls that one worker may run at the same time.
MAX_AT_ONCE: Final = 1024
_MAX_WAIT_MS: Final = 60_000
_MAX_RETRIES: Final = 100


class UploadedFile(NamedTuple):
    """A file that a client sent, as a model receives it."""

    #: Name of the form field.
    name: str | None = None
    #: Absolute path on local disk; removed when the call ends.
    filename: str | None = None
    #: Media type as the client stated it.
    content_type: str | None = None
    #: The client's name for the file; never use it as a path.
    original_filename: str | None = None


class ReturnedFile(NamedTuple):
    """A file that a model returns."""

    name: str | None = None
    filename: str | None = None
    content_type: str | None = None
    original_filename: str | None = None


@dataclass(frozen=True, slots=True)
class LogSettings:
    """Where the log goes, and how it looks; the same in every process of a command."""

    debug: bool = False
    #: Absolute path of the file to append to, ``None`` for standard error.
    file: str | None = None
    #: Absolute path of a configuration of Python's logging, in the place of everything else here.
    config_file: str | None = None
    #: For strftime; ``None`` for ISO 8601 with milliseconds.
    date_format: str | None = None
    use_syslog: bool = False
    #: A name of syslog(3), lower case and without ``LOG_``.
    syslog_facility: str = "user"
    use_journal: bool = False
    use_json: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """Says that a model's ``predict_batch`` answers several calls at once.

    Args:
        max_size: The most calls in a batch, 1 to 1024.
        max_wait_ms: How long the first call of a batch waits for others; with 0 a free worker
            takes what is there, and nothing ever waits.
        key: Names of arguments; calls that differ in them never share a batch.

    Raises:
        ValueError: A value is out of its range.
    """

    max_size: int = 64
    max_wait_ms: float = 0
    key: Sequence[str] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.max_size <= MAX_AT_ONCE:
            raise ValueError(f"max_size is {self.max_size!r}; it must be 1 to {MAX_AT_ONCE}")
        if not 0 <= self.max_wait_ms <= _MAX_WAIT_MS:
            raise ValueError(f"max_wait_ms is {self.max_wait_ms!r}; it must be 0 to {_MAX_WAIT_MS}")
        if isinstance(self.key, str):
            raise ValueError(f"key is {self.key!r}; it must be a tuple, as in ({self.key!r},)")
        object.__setattr__(self, "key", tuple(self.key))


@dataclass(frozen=True, slots=True)
class Limits:
    """What a model asks for its calls, in the place of the server's options.

    Args:
        predict_timeout_s: Seconds that a call may run; 0: no limit; ``None``: as the option
            ``predict-timeout`` says.
        concurrency: The most calls that one worker runs at the same time, 1 to 1024; only a model
            whose ``predict`` is ``async`` runs more than one.

    Raises:
        ValueError: A value is out of its range.
    """

    predict_timeout_s: float | None = None
    concurrency: int = 64

    def __post_init__(self) -> None:
        timeout_s = self.predict_timeout_s
        if timeout_s is not None and not 0 <= timeout_s < float("inf"):
            raise ValueError(f"predict_timeout_s is {timeout_s!r}; it must be 0 or more seconds")
        if not 1 <= self.concurrency <= MAX_AT_ONCE:
            raise ValueError(f"concurrency is {self.concurrency!r}; it must be 1 to {MAX_AT_ONCE}")


@dataclass(frozen=True, slots=True)
class Training:
    """Says what becomes of a training of the model's that does not come to its end.

    Args:
        resumable: Whether ``train`` goes on from what it finds in
            :func:`deepaas.checkpoint_dir`. A training that was interrupted is then queued again.
        retries: How often ``train`` is called again after it failed, 0 to 100.

    Raises:
        ValueError: A value is out of its range.
    """

    resumable: bool = False
    retries: int = 0

    def __post_init__(self) -> None:
        if self.retries not in range(_MAX_RETRIES + 1):
            raise ValueError(f"retries is {self.retries!r}; it must be 0 to {_MAX_RETRIES}")


class _Missing(Enum):
    MISSING = "missing"

    def __repr__(self) -> str:
        return "MISSING"


#: Stands for "no default", where ``None`` is a value.
MISSING: Final = _Missing.MISSING


class SourceKind(StrEnum):
    """How a model is named."""

    #: An entry point of the group ``deepaas.v2.model``.
    ENTRY_POINT = "entry point"
    #: ``package.module:object`` given by the operator.
    OBJECT = "object"
    #: A path to a ``.py`` file given by the operator.
    FILE = "file"


@dataclass(frozen=True, slots=True)
class ModelSource:
    """Where a model comes from; enough to import it in another process."""

    #: The name in URLs.
    name: str
    kind: SourceKind
    #: ``package.module``, ``package.module:object``, or an absolute path for a file.
    value: str
    #: Distribution that declares the entry point and its version, ``None`` for the other kinds.
    distribution: str | None = None
    version: str | None = None

    @property
    def label(self) -> str:
        """The source in words, for messages: ``entry point 'x = pkg.mod' of package pkg 1.0``."""
        if self.kind is SourceKind.ENTRY_POINT:
            return (
                f"entry point '{self.name} = {self.value}' of package"
                f" {self.distribution or '(unknown)'} {self.version or ''}".rstrip()
            )
        # What clients may see names no path.
        shown = PurePath(self.value).name if self.kind is SourceKind.FILE else self.value
        return f"{self.kind.value} {shown!r}"


@dataclass(frozen=True, slots=True)
class Argument:
    """One declared argument of a model's function, free of the library that declared it."""

    #: As it is declared: the keyword argument of the model's function, unless that is given.
    name: str
    #: Name on the wire (``data_key``), the same unless declared otherwise.
    wire_name: str
    #: Name of the field's class: ``Int``, ``Str``, ``List`` …
    type_name: str
    #: The keyword argument where it has another name (``attribute``); of a part of one, the whole.
    keyword: str | None = None
    #: One of query, form, json, headers, cookies, files; ``None``: query, then form, then JSON.
    location: str | None = None
    required: bool = False
    #: The value used when absent, or :data:`MISSING`; ``None`` too where it is made by a callable.
    default: Any = MISSING
    #: Whether ``None`` (JSON ``null``) is accepted.
    allow_none: bool = False
    is_file: bool = False
    #: Repeated keys make a list (``List``); ``DelimitedList`` is not one.
    is_list: bool = False
    #: What stands between the values of a delimited list or tuple, ``None`` for another field.
    delimiter: str | None = None
    #: Masked wherever it is shown.
    is_secret: bool = False
    #: An address (``Url``): the model gets the file that it leads to.
    is_fetched: bool = False
    #: Media types that such a file may have, ``image/*`` for all of a kind; empty: any.
    media_types: tuple[str, ...] = ()
    description: str | None = None
    #: Allowed values: of a ``OneOf`` validator, else of a documentary ``enum``.
    choices: tuple[Any, ...] | None = None
    #: The choices are documentation: other values are accepted too.
    has_open_choices: bool = False
    #: JSON Schema of the value, as far as the declaration says; metadata keys included.
    schema: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CallInput:
    """What a client sent, before the declared arguments are looked up in it.

    Pairs keep their order and may repeat a name. ``body`` is the JSON body or ``None``; it is a
    ``memoryview`` where it stays in memory shared between processes. Its ``repr`` shows nothing of
    it: there may be secrets in all of it.
    """

    query: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    form: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    files: tuple[tuple[str, UploadedFile], ...] = field(default=(), repr=False)
    body: bytes | memoryview | None = field(default=None, repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    cookies: tuple[tuple[str, str], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """What a loaded model says of itself; made in a worker, used in the server."""

    name: str
    #: ``get_metadata()`` made JSON-safe.
    metadata: Mapping[str, Any]
    predict_arguments: tuple[Argument, ...] = ()
    train_arguments: tuple[Argument, ...] = ()
    evaluate_arguments: tuple[Argument, ...] = ()
    #: The declared fields in a form the server can validate with; ``None`` where only the model's
    #: own process can (fields of the author's own classes).
    predict_fields: bytes | None = None
    train_fields: bytes | None = None
    evaluate_fields: bytes | None = None
    can_predict: bool = True
    can_train: bool = True
    can_evaluate: bool = False
    #: The most calls that one worker begins at the same time: of a batch, or of an async model.
    at_once: int = 1
    #: Whether its calls run at the same time, so that one of them can be ended alone.
    is_async: bool = False
    #: Seconds that a call may run, 0 without a limit, ``None`` as the server's option says.
    predict_timeout_s: float | None = None
    #: What becomes of a training that fails or is interrupted.
    training: Training = Training()
    #: Whether the model can be asked for its own health.
    has_health: bool = False
    #: Files of Python code that were read to load it, for who watches them.
    source_files: tuple[str, ...] = ()
    #: JSON Schema of an answer, titled with its name in the API's description, if one is declared.
    response_schema: Mapping[str, Any] | None = None
    #: Its metadata file and its package as they are shown; ``None``: no file that can be used.
    #: Its metadata file and package as they are shown, JSON-safe; or why a file is not.
    document: Mapping[str, Any] | None = None
    document_problem: str | None = None


#: Kinds of jobs that have a process of their own and share the slots for them.
PROCESS_KINDS: Final = ("train", "evaluate")


class JobState(StrEnum):
    """Where a job stands. A final state never changes."""

    #: Accepted and durable, waiting for a free slot.
    QUEUED = "queued"
    #: Claimed by a server; its process starts, runs or ends.
    RUNNING = "running"
    #: The function returned.
    DONE = "done"
    #: The function raised, or its process died.
    ERROR = "error"
    #: A client asked for the end before it came.
    CANCELLED = "cancelled"
    #: The machine or the service ended it, no fault of the model.
    INTERRUPTED = "interrupted"

    @property
    def is_final(self) -> bool:
        """Whether the job has ended."""
        return self in FINAL_STATES

    def can_move_to(self, target: "JobState") -> bool:
        """Whether the move to ``target`` is allowed; RUNNING to QUEUED: for another attempt."""
        if self is JobState.QUEUED:
            return target is JobState.RUNNING or target.is_final
        return self is JobState.RUNNING and (target is JobState.QUEUED or target.is_final)


FINAL_STATES: Final = frozenset(
    {JobState.DONE, JobState.ERROR, JobState.CANCELLED, JobState.INTERRUPTED}
)


@dataclass(frozen=True, slots=True)
class JobEnd:
    """How a job ended; the content of ``end.json``."""

    state: JobState
    #: When it was decided, UTC.
    finished: datetime
    #: Why, for people; ``None`` for a success.
    message: str | None = None
    #: The function's result as JSON text, ``None`` unless done.
    result: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A training or an evaluation (later also a queued prediction) as the store keeps it."""

    #: 32 hexadecimal digits; the contract's ``uuid``.
    id: str
    kind: str
    model: str
    state: JobState
    #: Aware, UTC, as every time here.
    created: datetime
    #: The arguments as shown to clients, as JSON text: secrets masked, files as triples.
    arguments: str = "{}"
    #: Name of the principal who made it, ``None`` for anonymous.
    owner: str | None = None
    started: datetime | None = None
    finished: datetime | None = None
    #: Why it ended, or why it is to be tried again; for people.
    message: str | None = None
    #: JSON text of the result, ``None`` unless done.
    result: str | None = None
    #: Counts the starts, from 1.
    attempt: int = 1
    #: Id of the server that follows it, ``None`` while queued.
    server: str | None = None
    #: When it left the contract's view (DELETE), ``None`` while it is shown there.
    hidden_at: datetime | None = None
    #: What the model's :class:`Training` said when the job was accepted.
    resumable: bool = False
    retries: int = 0
    #: Not to be started before this time, ``None``: at once.
    not_before: datetime | None = None
    #: Number of the version that an evaluation is of, ``None`` for other kinds.
    version: int | None = None

    def evolve(self, **changes: Any) -> "Job":
        """Return a copy with the named fields changed."""
        return replace(self, **changes)


class JobPlace(NamedTuple):
    """Where a job stands in the order of all jobs; it need not be there any more."""

    created: datetime
    id: str


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A client's own name for a request, by which it is known when it comes again."""

    #: Name of the principal, ``None`` for anonymous; keys of different ones never meet.
    owner: str | None
    model: str
    #: Of the job that the request asks for.
    kind: str
    #: As the client gave it.
    key: str
    #: Of all that the request asks for; equal for equal requests.
    fingerprint: str


@dataclass(frozen=True, slots=True)
class ServedVersion:
    """A version as the processes of a model know it."""

    number: int = 0
    job: str | None = None
    #: Absolute path of the folder with its artifacts, ``None`` for number 0.
    model_dir: str | None = None


#: The package as installed.
PACKAGE_VERSION: Final = ServedVersion()
