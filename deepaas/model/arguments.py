# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""From what a client sent to the keyword arguments of a model's function.

The same code checks a call in the server, where the declaration can be carried there, and in the
worker, where it cannot or the call is large. marshmallow is imported by the first parser that
declares something: a model without arguments never pays for it.
"""

import copy
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from deepaas.errors import InvalidArguments
from deepaas.model.accept import ANYTHING, AcceptRule
from deepaas.model.fetched import FetchedArgument, put_files
from deepaas.model.jsonform import encode_json, in_order, json_safe
from deepaas.model.lookup import Lookup, rule_of
from deepaas.records import MISSING, Argument, CallInput, UploadedFile

if TYPE_CHECKING:
    from marshmallow import Schema, ValidationError
    from marshmallow.fields import Field

    from deepaas.model.loading import PlainLoader

logger = logging.getLogger(__name__)

#: What marshmallow says too where there is nothing else to say.
_INVALID = "Invalid value."
#: Shown in the place of a secret.
MASK = "***"
#: The longest value that is shown in brief.
_BRIEF_BYTES = 1000

# Their instances cannot be changed by a model that was handed one as a default.
_IMMUTABLE = (type(None), bool, int, float, str, bytes)


class ArgumentParser:
    """The declared arguments of one function, ready to look them up and check them.

    Made once; :meth:`parse` may be called from several threads, and calls share nothing.

    Args:
        fields: Keyword argument to marshmallow field; not changed. Later changes have no effect.

    Raises:
        ValueError: Two fields have the same ``data_key``, or another mistake that marshmallow
            finds in the declaration.
    """

    def __init__(self, fields: "Mapping[str, Field]") -> None:
        self._fields = dict(fields)
        #: The declaration as records, in order.
        self.arguments: tuple[Argument, ...] = ()
        self._lookup = Lookup(())
        self._schema: Schema | None = None
        self._plain: PlainLoader | None = None
        self._accept: AcceptRule | None = None
        #: Names on the wire.
        self._secrets: frozenset[str] = frozenset()
        self._fetched: tuple[FetchedArgument, ...] = ()
        self._mutable_defaults: tuple[tuple[str, str, Any], ...] = ()
        if self._fields:
            self._prepare()

    def _prepare(self) -> None:
        from marshmallow import EXCLUDE, Schema

        from deepaas.model.loading import PlainLoader
        from deepaas.model.numberlists import speed_up
        from deepaas.model.schema import describe_fields

        declared = {name: copy.copy(field) for name, field in self._fields.items()}
        if "accept" in declared:
            self._accept = _accept_rule(declared["accept"])
        # Bound copies, in which nested fields can be looked up.
        self._schema = Schema.from_dict(declared, name="Arguments")(unknown=EXCLUDE)
        bound = {name: self._schema.fields[name] for name in declared}
        arguments = describe_fields(bound)
        speed_up(bound.values())
        self._plain = PlainLoader(self._schema)
        self._lookup = Lookup(map(rule_of, arguments))
        self._secrets = frozenset(each.wire_name for each in arguments if each.is_secret)
        self._fetched = tuple(
            FetchedArgument(each.wire_name, bound[each.name].attribute or each.name)
            for each in arguments
            if each.is_fetched
        )
        self._mutable_defaults = tuple(
            (argument.wire_name, field.attribute or argument.name, field.load_default)
            for argument, field in ((each, bound[each.name]) for each in arguments)
            if argument.default is not MISSING
            and not callable(field.load_default)
            and not isinstance(field.load_default, _IMMUTABLE)
        )
        self.arguments = tuple(
            _widen_accept(argument, self._accept)
            if self._accept and argument.name == "accept"
            else argument
            for argument in arguments
        )

    def parse(self, call: CallInput) -> dict[str, Any]:
        """Look the declared arguments up and check them.

        Args:
            call: What the client sent. Its JSON body is decoded only if an argument was not found
                elsewhere and may be in it.

        Returns:
            The keyword arguments. An optional one that the client left out and that has no default
            is absent. Nothing in it is shared with another call. In the place of an address to
            fetch is the file that was fetched.

        Raises:
            InvalidArguments: With messages by name on the wire.
            MalformedBody: The JSON body was needed and is not JSON.
        """
        kwargs = self.parse_texts(call)
        if self._fetched:
            put_files(call, self._fetched, kwargs)
        return kwargs

    def parse_texts(self, call: CallInput) -> dict[str, Any]:
        """Do as :meth:`parse`, but leave addresses as they are: nothing is fetched yet."""
        if self._schema is None:
            return {}
        data = self._lookup.find(call)
        if self._accept is not None:
            _negotiate(self._accept, call, data)
        kwargs = self._load(data)
        for wire_name, name, default in self._mutable_defaults:
            if wire_name not in data and name in kwargs:
                kwargs[name] = copy.deepcopy(default)
        return kwargs

    def _load(self, data: Mapping[str, Any]) -> dict[str, Any]:
        if self._plain is not None and self._plain.is_usable:
            loaded = self._plain.load(data)
            if loaded is not None:
                return loaded
        from marshmallow import ValidationError

        assert self._schema is not None
        try:
            return self._schema.load(data)  # type: ignore[no-any-return]
        except ValidationError as exc:
            raise self._refusal(_messages(exc), data) from exc
        except (TypeError, ValueError, ArithmeticError) as exc:
            # A validator met a value it was not made for, such as Range a text in a Raw field.
            messages = self._blame(data)
            if not messages:
                raise
            logger.info(
                "a validator failed on a client's value",
                # What Python says of a value may quote it.
                exc_info=not self._secrets,
                extra={"action": "argument_validator_failed"},
            )
            raise self._refusal(messages, data) from exc

    def _refusal(self, messages: dict[str, Any], data: Mapping[str, Any]) -> InvalidArguments:
        """Return the error that tells what is wrong; of a secret value, only that it is.

        A validator may quote what it was given, or what it would have liked to be given.
        """
        masked = {name: [_INVALID] for name in messages if name in self._secrets and name in data}
        return InvalidArguments({**messages, **masked})

    def _blame(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Check field by field, to name those whose value their validators cannot digest."""
        from marshmallow import ValidationError

        assert self._schema is not None
        messages: dict[str, Any] = {}
        for name, field in self._schema.load_fields.items():
            key = name if field.data_key is None else field.data_key
            if key not in data:
                continue
            try:
                field.deserialize(data[key], key, data)
            except ValidationError as exc:
                messages[key] = exc.messages
            except (TypeError, ValueError, ArithmeticError):
                messages[key] = [_INVALID]
        return messages

    def dump(self) -> bytes | None:
        """Return the declaration in a form that another process can :meth:`load`.

        Returns:
            ``None`` where only a process that has the author's code can check these arguments.
        """
        if not self._fields:
            return b"{}"
        from deepaas.model.portable import NotPortable, pack

        try:
            data = pack(self._fields)
            # Proven, not believed: what comes out must say the same.
            alike = self.load(data).arguments == self.arguments
        except (NotPortable, ValueError):
            return None
        return data if alike else None

    @classmethod
    def load(cls, data: bytes) -> "ArgumentParser":
        """Make a parser of what :meth:`dump` returned; safe on bytes from anywhere.

        Raises:
            ValueError: These bytes are something else.
        """
        if data == b"{}":
            return cls({})
        from deepaas.model.portable import NotPortable, unpack

        try:
            return cls(unpack(data))
        except (NotPortable, AttributeError, TypeError) as exc:
            raise ValueError(f"these are no portable fields: {exc}") from exc


def display(arguments: Sequence[Argument], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments as they may be shown and stored: JSON-safe, without secrets.

    A file is ``[name, content_type, original_filename]``; what cannot be JSON is its ``repr``.
    """
    secrets = {each.keyword or each.name for each in arguments if each.is_secret}
    return {name: MASK if name in secrets else _shown(value) for name, value in kwargs.items()}


def display_briefly(arguments: Sequence[Argument], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments as :func:`display` does, and of a long one only how long it is.

    Thousands of calls may be listed together, each with an image as a list of numbers.
    """
    shown = display(arguments, kwargs)
    return {name: _brief(value) for name, value in shown.items()}


def _brief(value: Any) -> Any:
    size = len(encode_json(value))
    return value if size <= _BRIEF_BYTES else f"({size} bytes of JSON)"


def _shown(value: Any) -> Any:
    if isinstance(value, UploadedFile):
        return [value.name, value.content_type, value.original_filename]
    if isinstance(value, list):
        return [_shown(item) for item in value]
    return json_safe(value)


def sole_upload(arguments: Iterable[Argument]) -> Argument | None:
    """Return the one argument that takes uploads, ``None`` where there is none or another."""
    found = [
        each for each in arguments if each.is_file and each.location in (None, "form", "files")
    ]
    return found[0] if len(found) == 1 else None


def _messages(exc: "ValidationError") -> dict[str, Any]:
    messages = exc.messages
    return messages if isinstance(messages, dict) else {"_schema": messages}


def _accept_rule(field: "Field") -> AcceptRule:
    """Read the rule from the declared ``accept`` and set its default as the contract says."""
    from deepaas.model.schema import first_one_of, location

    one_of = first_one_of(field)
    choices = tuple(in_order(one_of.choices)) if one_of else ()
    default = field.load_default if isinstance(field.load_default, str) else None
    if choices and not field.required:
        field.load_default = choices[0]
    return AcceptRule(
        wire_name="accept" if field.data_key is None else field.data_key,
        choices=choices,
        is_header=location(field) == "headers",
        default=default,
    )


def _negotiate(rule: AcceptRule, call: CallInput, data: dict[str, Any]) -> None:
    """Put what the model gets in the place of what the client sent."""
    if rule.is_header:
        # A header may come in several lines, which are one list; an empty one says nothing.
        name = rule.wire_name.lower()
        lines = [text for key, text in call.headers if key.lower() == name and text.strip()]
        data.pop(rule.wire_name, None)
        if lines:
            data[rule.wire_name] = ", ".join(lines)
    if rule.wire_name in data:
        data[rule.wire_name] = rule.resolve(data[rule.wire_name])


def _widen_accept(argument: Argument, rule: AcceptRule) -> Argument:
    from dataclasses import replace

    if not rule.choices or ANYTHING in rule.choices:
        return argument
    return replace(argument, choices=(*rule.choices, ANYTHING))
