# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The inputs of a template: what it declares, and whether given values fit.

TOSCA Simple Profile in YAML 1.0, sections 3.2 (types), 3.5.2 (constraints) and 3.8.2 (parameters).
The texts about inputs that are missing are the INDIGO PaaS orchestrator's.
"""

import copy
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from deepaas.errors import InvalidDocument, InvalidInputs
from deepaas.tosca.documents import Document

_UNITS: Final[Mapping[str, Mapping[str, float]]] = {
    "scalar-unit.size": {
        "b": 1,
        **{f"{letter}b": 1000.0**power for power, letter in enumerate("kmgt", 1)},
        **{f"{letter}ib": 1024.0**power for power, letter in enumerate("kmgt", 1)},
    },
    "scalar-unit.time": {
        "d": 86400,
        "h": 3600,
        "m": 60,
        "s": 1,
        "ms": 1e-3,
        "us": 1e-6,
        "ns": 1e-9,
    },
    "scalar-unit.frequency": {"hz": 1, "khz": 1e3, "mhz": 1e6, "ghz": 1e9},
}
_SCALAR: Final = re.compile(r"\s*([-+]?\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*")
_TRUE: Final = {"true", "yes", "on"}
_FALSE: Final = {"false", "no", "off"}


@dataclass(frozen=True, slots=True)
class Input:
    """An input that a template declares."""

    name: str
    #: ``string``, ``integer``, ``scalar-unit.size`` …; a type of data is not looked into.
    type: str
    #: Whether a value must come from somewhere, the default included.
    is_required: bool
    has_default: bool
    default: Any
    #: As declared: each a table with one name, such as ``{"valid_values": ["no", "yes"]}``.
    constraints: tuple[Mapping[str, Any], ...]
    description: str
    #: ``file:line``.
    place: str


def declared_inputs(document: Document) -> tuple[Input, ...]:
    """Return the inputs of a template, in its order.

    Raises:
        InvalidDocument: One is not declared as TOSCA says; the message begins with file and line.
    """
    topology = document.table().get("topology_template")
    declared = topology.get("inputs") if isinstance(topology, dict) else None
    path = ("topology_template", "inputs")
    if declared is None:
        return ()
    if not isinstance(declared, dict):
        raise InvalidDocument(f"{document.place(*path)}: inputs must be a mapping.")
    return tuple(
        _declared(str(name), body, document.place(*path, name)) for name, body in declared.items()
    )


def check_inputs(declared: Sequence[Input], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the value of each input: what is given, else its default.

    Args:
        declared: The inputs of the template.
        given: Values by name; a text is taken for a number or truth value where one is declared,
            as the orchestrator takes it. What no input is called is left alone: see
            :func:`unknown_inputs`.

    Returns:
        By name. An input that is not required and has neither is not there.

    Raises:
        InvalidInputs: A value does not fit, or is missing.
    """
    values, faults = {}, []
    for each in declared:
        if given.get(each.name) is None:
            if each.has_default:
                values[each.name] = each.default
            elif each.is_required:
                faults.append(
                    f"Input <{each.name}> is required and is not present in the user's input"
                    " list, nor has a default value"
                )
            continue
        try:
            value = _converted(each.type, given[each.name])
            faults += [
                f"Input <{each.name}> is {given[each.name]!r}; it must {rule}"
                for rule in _broken(each, value)
            ]
            values[each.name] = value
        except ValueError:
            faults.append(f"Input <{each.name}> is {given[each.name]!r}; it must be {each.type}")
    if faults:
        raise InvalidInputs(faults)
    return values


def unknown_inputs(declared: Sequence[Input], given: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names that were given and that no input has, sorted."""
    return tuple(sorted(set(given) - {each.name for each in declared}))


def fill_inputs(data: Any, values: Mapping[str, Any]) -> Any:
    """Return a copy of data in which each ``{get_input: name}`` is the value of that input.

    Args:
        data: A part of a template.
        values: By name, of :func:`check_inputs`. An input that is not there becomes ``None``.

    Raises:
        InvalidInputs: A value has not the part that a list, ``[name, key]``, asks for.
    """
    if isinstance(data, dict):
        if set(data) == {"get_input"}:
            return _looked_up(data["get_input"], values)
        return {name: fill_inputs(value, values) for name, value in data.items()}
    if isinstance(data, list):
        return [fill_inputs(value, values) for value in data]
    return data


def _looked_up(asked: Any, values: Mapping[str, Any]) -> Any:
    name, *steps = asked if isinstance(asked, list) and asked else [asked]
    value: Any = values.get(str(name))
    try:
        for step in steps:
            value = value[step]
    except (KeyError, IndexError, TypeError) as exc:
        raise InvalidInputs([f"Input <{name}> has no part {steps!r}"]) from exc
    return copy.deepcopy(value)


def _declared(name: str, body: Any, place: str) -> Input:
    if not isinstance(body, dict):
        raise InvalidDocument(f"{place}: the input {name!r} must be a mapping with a type.")
    constraints = body.get("constraints") or []
    if not isinstance(constraints, list) or not all(
        isinstance(each, dict) and len(each) == 1 for each in constraints
    ):
        raise InvalidDocument(f"{place}: the constraints of {name!r} must be a list of one each.")
    made = Input(
        name=name,
        type=str(body.get("type", "string")),
        is_required=body.get("required") is not False,
        has_default=body.get("default") is not None,
        default=body.get("default"),
        constraints=tuple(constraints),
        description=str(body.get("description") or ""),
        place=place,
    )
    for each in constraints:
        ((rule, bound),) = each.items()
        if rule not in _RULES:
            raise InvalidDocument(f"{place}: {name!r} has the constraint {rule!r}, unknown here.")
        try:
            _bound(made.type, rule, bound)
        except (ValueError, TypeError, re.error) as exc:
            raise InvalidDocument(
                f"{place}: the constraint {rule} of {name!r} cannot be {bound!r}."
            ) from exc
    return made


def _converted(kind: str, value: Any) -> Any:
    """Return a value in the type that is declared; raises ValueError."""
    converter = _CONVERTERS.get(kind)
    if converter is None:
        return value
    return converter(value)


def _string(value: Any) -> str:
    if isinstance(value, dict | list):
        raise ValueError(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(value)
    return int(value)


def _float(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(value)
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(value)
    return number


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = value.lower() if isinstance(value, str) else ""
    if text not in _TRUE | _FALSE:
        raise ValueError(value)
    return text in _TRUE


def _of_type(kind: type) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        if not isinstance(value, kind):
            raise ValueError(value)
        return value

    return convert


def _unit(kind: str) -> Callable[[Any], str]:
    def convert(value: Any) -> str:
        scalar(kind, value)
        return str(value)

    return convert


def scalar(kind: str, value: Any) -> float:
    """Return a number with a unit, such as ``4096 MB``, in bytes, seconds or hertz.

    Raises:
        ValueError: It is no such value.
    """
    found = _SCALAR.fullmatch(value) if isinstance(value, str) else None
    unit = _UNITS[kind].get(found[2].lower()) if found else None
    if found is None or unit is None:
        raise ValueError(value)
    return float(found[1]) * unit


_CONVERTERS: Final[dict[str, Callable[[Any], Any]]] = {
    "string": _string,
    "integer": _integer,
    "float": _float,
    "boolean": _boolean,
    "list": _of_type(list),
    "map": _of_type(dict),
    **{kind: _unit(kind) for kind in _UNITS},
}


def _measure(kind: str, value: Any) -> Any:
    """Return what of a value is compared."""
    return scalar(kind, value) if kind in _UNITS else _converted(kind, value)


def _bound(kind: str, rule: str, bound: Any) -> Any:
    """Return what a constraint compares with."""
    if rule == "pattern":
        return re.compile(bound)
    if rule in ("length", "min_length", "max_length"):
        return _integer(bound)
    if rule == "in_range":
        low, high = bound
        return (
            -math.inf if low == "UNBOUNDED" else _measure(kind, low),
            math.inf if high == "UNBOUNDED" else _measure(kind, high),
        )
    if rule == "valid_values":
        return [_measure(kind, each) for each in _of_type(list)(bound)]
    return _measure(kind, bound)


#: Of each constraint: whether a value keeps it, and how that is said.
_RULES: Final[dict[str, tuple[Callable[[Any, Any], bool], str]]] = {
    "equal": (lambda value, bound: bool(value == bound), "be"),
    "greater_than": (lambda value, bound: bool(value > bound), "be greater than"),
    "greater_or_equal": (lambda value, bound: bool(value >= bound), "be at least"),
    "less_than": (lambda value, bound: bool(value < bound), "be less than"),
    "less_or_equal": (lambda value, bound: bool(value <= bound), "be at most"),
    "in_range": (lambda value, bound: bool(bound[0] <= value <= bound[1]), "be in the range"),
    "valid_values": (lambda value, bound: value in bound, "be one of"),
    "length": (lambda value, bound: len(value) == bound, "have the length"),
    "min_length": (lambda value, bound: len(value) >= bound, "have at least the length"),
    "max_length": (lambda value, bound: len(value) <= bound, "have at most the length"),
    "pattern": (lambda value, bound: bound.fullmatch(value) is not None, "match"),
}


def _broken(each: Input, value: Any) -> list[str]:
    measured = _measure(each.type, value)
    broken = []
    for constraint in each.constraints:
        ((rule, bound),) = constraint.items()
        keeps, said = _RULES[rule]
        try:
            is_kept = keeps(measured, _bound(each.type, rule, bound))
        except TypeError:
            # A number has no length, and a type of data no order.
            is_kept = False
        if not is_kept:
            broken.append(f"{said} {bound!r}")
    return broken
