# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A model: where it is from, what it says of itself, and what is sent to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from pathlib import PurePath
from typing import Any, Final

from deepaas.records.declarations import Training
from deepaas.records.files import UploadedFile


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
    #: The value used when absent, or ``MISSING``; ``None`` too where it is made by a callable.
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
    #: ``get_metadata()`` made JSON-safe, as it was said last.
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
    training: Training = field(default_factory=Training)
    #: Whether the model has a ``get_metadata``, which may say something else another time.
    describes_itself: bool = False
    #: Whether the model can be asked for its own health.
    has_health: bool = False
    #: Files of Python code that were read to load it, for who watches them.
    source_files: tuple[str, ...] = ()
    #: JSON Schema of an answer, titled with its name in the API's description, if one is declared.
    response_schema: Mapping[str, Any] | None = None
    #: Its metadata file and package as they are shown, JSON-safe; or why a file is not.
    document: Mapping[str, Any] | None = None
    document_problem: str | None = None


@dataclass(frozen=True, slots=True)
class ServedVersion:
    """A version as the processes of a model know it."""

    number: int = 0
    job: str | None = None
    #: Absolute path of the folder with its artifacts, ``None`` for number 0.
    model_dir: str | None = None


#: The package as installed.
PACKAGE_VERSION: Final = ServedVersion()
