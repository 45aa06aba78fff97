# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Find the values of declared arguments in what a client sent, before they are checked."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from deepaas.errors import MalformedBody
from deepaas.model.jsonform import decode_json
from deepaas.model.nesting import MAX_DEPTH, is_too_deep
from deepaas.records import MISSING, Argument, CallInput

#: Where an argument without a location of its own is looked for, in this order.
ANYWHERE = ("query", "form", "json")
# Larger integers than orjson keeps.
_EXACT_LIMIT = 2.0**63
_NOTHING: list[Any] = []


class Rule(NamedTuple):
    """Where to look for one argument."""

    wire_name: str
    sources: tuple[str, ...]
    #: Repeated keys make a list.
    is_list: bool
    is_file: bool
    #: Of a delimited list, which JSON may also give as a list (webargs 5 took both).
    delimiter: str | None
    #: An address to fetch: what was fetched lies among the files, and is no value of it.
    is_fetched: bool = False


def rule_of(argument: Argument) -> Rule:
    """Return where to look for an argument."""
    return Rule(
        wire_name=argument.wire_name,
        sources=(argument.location,) if argument.location else ANYWHERE,
        is_list=argument.is_list,
        is_file=argument.is_file,
        delimiter=argument.delimiter,
        is_fetched=argument.is_fetched,
    )


class Lookup:
    """Finds the arguments of one function; made once, and safe across threads."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = tuple(rules)
        self._names = tuple(rule.wire_name for rule in self._rules)
        #: Whether the members of a JSON object are what the fields get.
        self._is_plain = bool(self._rules) and all(
            rule.sources is ANYWHERE and not rule.is_list and rule.delimiter is None
            for rule in self._rules
        )

    def find(self, call: CallInput) -> dict[str, Any]:
        """Return what is there, by the name on the wire.

        Raises:
            MalformedBody: The JSON body was needed and is not JSON.
        """
        if self._is_plain and (found := self._find_in_object(call)) is not None:
            return found
        reader = _Reader(call)
        return {
            rule.wire_name: value
            for rule in self._rules
            if (value := reader.find(rule)) is not MISSING
        }

    def _find_in_object(self, call: CallInput) -> dict[str, Any] | None:
        """Do so for a call that is a JSON object and no more, as most are; ``None`` for others."""
        if not call.body or call.query or call.form or call.files:
            return None
        body = _decoded(call.body, exact=False)
        if type(body) is not dict or any(map(_may_be_inexact, body.values())):
            return None
        return {name: body[name] for name in self._names if name in body}


class _Reader:
    """The values of one call, looked at as far as they are needed."""

    def __init__(self, call: CallInput) -> None:
        self._call = call
        self._json: Any = MISSING
        self._is_exact = False

    def find(self, rule: Rule) -> Any:
        """Return the first hit in the order of the places, :data:`MISSING` if there is none."""
        for source in rule.sources:
            if source == "json":
                value = self._find_in_body(rule)
                if value is not MISSING:
                    return value
                continue
            values = self._values(source, rule)
            if values:
                return values if rule.is_list else values[0]
        return MISSING

    def _values(self, source: str, rule: Rule) -> list[Any]:
        call, name = self._call, rule.wire_name
        if source == "query":
            return _named(name, call.query)
        if source == "files":
            return _named(name, call.files)
        if source == "cookies":
            return _named(name, call.cookies)
        if source == "headers":
            name = name.lower()
            return [value for key, value in call.headers if key.lower() == name]
        if rule.is_fetched:
            return _named(name, call.form)
        # A form holds both; which of the two kinds came first is not known.
        texts, files = _named(name, call.form), _named(name, call.files)
        return files + texts if rule.is_file else texts + files

    def _find_in_body(self, rule: Rule) -> Any:
        body = self._body()
        value = body.get(rule.wire_name, MISSING) if isinstance(body, dict) else MISSING
        if not self._is_exact and _may_be_inexact(value):
            # Perhaps an integer that orjson could not keep: read all of it again, exactly.
            self._is_exact = True
            self._json = MISSING
            return self._find_in_body(rule)
        if rule.is_list and value is not MISSING and value is not None:
            return list(value) if isinstance(value, list | tuple) else [value]
        if rule.delimiter is not None and isinstance(value, list):
            return _join(value, rule.delimiter)
        return value

    def _body(self) -> Any:
        if self._json is MISSING:
            body = self._call.body
            self._json = _decoded(body, exact=self._is_exact) if body else None
        return self._json


def _decoded(body: bytes | memoryview, *, exact: bool) -> Any:
    try:
        value = decode_json(body, exact=exact)
    except ValueError as exc:
        raise MalformedBody("json", "Invalid JSON body.") from exc
    if is_too_deep(body):
        raise MalformedBody("json", f"The JSON body is nested more than {MAX_DEPTH} levels deep.")
    return value


def _may_be_inexact(value: Any) -> bool:
    return isinstance(value, float) and abs(value) >= _EXACT_LIMIT


def _named(name: str, pairs: Iterable[tuple[str, Any]]) -> list[Any]:
    return [value for key, value in pairs if key == name] if pairs else _NOTHING


def _join(values: list[Any], delimiter: str) -> Any:
    """Write a list as its delimited text; the list itself, to be refused, where that is unclear."""
    texts = [str(value) for value in values if type(value) in (str, int, float)]
    if len(texts) < len(values) or any(delimiter in text for text in texts):
        return values
    return delimiter.join(texts)
