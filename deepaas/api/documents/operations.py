# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The operations of the API: the table of routes, each of a model's once for each model."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from deepaas.api.documents.about import ANYTHING, ERRORS, JSON, PROBLEM, About, Answer
from deepaas.api.documents.shapes import SHAPES
from deepaas.api.routing import Route
from deepaas.auth import Policy
from deepaas.model.jsonschema import vetted
from deepaas.records import Argument, ModelDescription

_MODEL = "{model}"
#: The name, and perhaps the form that the router demands of it.
_PATH_PARAMETER = re.compile(r"\{(\w+)(?::[^}]*)?\}")


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path, in no document's dialect."""

    method: str
    #: With the base path and the model's name, and with the other parameters in braces.
    path: str
    id: str
    about: About
    path_parameters: tuple[str, ...]
    arguments: tuple[Argument, ...]
    #: See :class:`About`.
    preferences: tuple[Argument, ...]
    #: By status, in ascending order.
    answers: Mapping[int, Answer]
    #: Whether callers must sign in, or may have to.
    is_guarded: bool


@dataclass(frozen=True, slots=True)
class Api:
    """All that a document says."""

    operations: tuple[Operation, ...]
    #: Name to JSON Schema; references in them are bare names.
    shapes: Mapping[str, Mapping[str, Any]]
    #: Whether callers sign in here.
    signs_in: bool


def describe_api(
    routes: Iterable[Route],
    models: Sequence[ModelDescription],
    base_path: str,
    *,
    signs_in: bool = False,
) -> Api:
    """Join the routes with the models.

    Args:
        routes: Those that are registered.
        models: Those that are served, in order.
        base_path: Empty or ``/x``; it is part of every path.
        signs_in: Whether callers sign in here.
    """
    shapes: dict[str, Mapping[str, Any]] = dict(SHAPES)
    answers = {model.name: _prediction(model, shapes) for model in models}
    operations: list[Operation] = []
    for route in routes:
        if _MODEL not in route.path:
            operations.append(_operation(route, base_path, None, answers, signs_in))
            continue
        operations.extend(
            _operation(route, base_path, model, answers, signs_in) for model in models
        )
    return Api(tuple(operations), shapes, signs_in)


def _operation(
    route: Route,
    base_path: str,
    model: ModelDescription | None,
    predictions: Mapping[str, Answer],
    signs_in: bool,
) -> Operation:
    about = route.about
    is_guarded = signs_in and route.policy is not Policy.PUBLIC
    path = _PATH_PARAMETER.sub(r"{\1}", route.path)
    arguments: tuple[Argument, ...] = ()
    success = about.success
    if model is not None:
        path = path.replace(_MODEL, quote(model.name))
        arguments = about.arguments_of(model)
        if about.function == "predict":
            # The front end of version 2 expects the rest of the arguments before this one.
            arguments = tuple(sorted(arguments, key=lambda each: each.name == "accept"))
            success = predictions[model.name]
    if about.parameters is not None:
        arguments = _joined(arguments, about.parameters().arguments)
    answers = {about.status: success, **about.others}
    for status in (401, *about.errors) if is_guarded else about.errors:
        answers[status] = _error(status, route)
    return Operation(
        method=route.method.lower(),
        path=base_path if base_path and path == "/" else base_path + path,
        id=about.name if model is None else f"{model.name}.{about.name}",
        about=about,
        path_parameters=tuple(_PATH_PARAMETER.findall(path)),
        arguments=arguments,
        preferences=() if about.preferences is None else about.preferences().arguments,
        answers=dict(sorted(answers.items())),
        is_guarded=is_guarded,
    )


def _joined(
    arguments: tuple[Argument, ...], parameters: tuple[Argument, ...]
) -> tuple[Argument, ...]:
    """Return the model's arguments and the route's; a name that both read is documented once."""
    headers = {each.wire_name.lower() for each in parameters if each.location == "headers"}
    kept = (
        each
        for each in arguments
        if each.location != "headers" or each.wire_name.lower() not in headers
    )
    return (*kept, *parameters)


def _error(status: int, route: Route) -> Answer:
    answer = ERRORS[status]
    return Answer(answer.description, {PROBLEM: "Problem"}) if route.is_new else answer


def _prediction(model: ModelDescription, shapes: dict[str, Mapping[str, Any]]) -> Answer:
    """Return what a prediction is answered with, and name its schema among the shapes."""
    shape = "Predicted"
    if model.response_schema is not None:
        shape = _name(model.response_schema, shapes)
    accept = next((each for each in model.predict_arguments if each.name == "accept"), None)
    if accept is None:
        types: Iterable[str] = (JSON,)
    elif accept.choices is None or accept.has_open_choices:
        types = (JSON, ANYTHING)
    else:
        types = (str(each) for each in accept.choices if each != ANYTHING)
    content = {each: shape if each == JSON else None for each in types}
    return Answer("The prediction.", content, has_version=True)


def _name(schema: Mapping[str, Any], shapes: dict[str, Mapping[str, Any]]) -> str:
    """Put a schema among the shapes and return its name: its title, unless another has that."""
    shape = vetted(schema)
    title = re.sub(r"[^\w.-]", "_", str(shape.get("title") or "Response"), flags=re.ASCII)
    for name in _candidates(title):
        if shapes.setdefault(name, shape) == shape:
            return name
    raise AssertionError("there is always another name")


def _candidates(title: str) -> Iterator[str]:
    yield title
    number = 0
    while True:
        number += 1
        yield f"{title}{number}"


def refer(value: Any, prefix: str) -> Any:
    """Return a copy in which every reference by bare name has the prefix of a document."""
    if isinstance(value, Mapping):
        return {
            key: prefix + inner
            if key == "$ref" and isinstance(inner, str)
            else refer(inner, prefix)
            for key, inner in value.items()
        }
    return [refer(inner, prefix) for inner in value] if isinstance(value, list) else value
