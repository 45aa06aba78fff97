# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Arguments that are addresses, in the place of which the model gets the files they lead to.

The address is checked as it is declared; the file comes with the files of the call, under the name
of the argument. Who fetches it is not known here.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from deepaas.errors import InvalidArguments
from deepaas.model.lookup import Lookup, rule_of
from deepaas.records import Argument, CallInput

#: Where nobody fetches: the service does not, or was not shown the address.
_NOT_FETCHED = "Addresses are not fetched here."


class Wanted(NamedTuple):
    """What is to be fetched for one argument, in order."""

    argument: Argument
    urls: tuple[str, ...]


class FetchedArgument(NamedTuple):
    """Where the files of an argument go."""

    wire_name: str
    keyword: str


def fetched_of(arguments: Iterable[Argument]) -> tuple[Argument, ...]:
    """Return the arguments that are addresses to fetch."""
    return tuple(argument for argument in arguments if argument.is_fetched)


def wanted_files(call: CallInput, fetched: Sequence[Argument]) -> list[Wanted]:
    """Return what is to be fetched for a call; what is no text at all is left to who checks it.

    Raises:
        MalformedBody: The JSON body was needed and is not JSON.
    """
    found = Lookup(map(rule_of, fetched)).find(call)
    wanted = []
    for argument in fetched:
        value = found.get(argument.wire_name, argument.default)
        urls = _texts(value, argument.delimiter)
        if urls:
            wanted.append(Wanted(argument, urls))
    return wanted


def put_files(call: CallInput, fetched: Iterable[FetchedArgument], kwargs: dict[str, Any]) -> None:
    """Put the files of a call in the place of the addresses that they were fetched from.

    Raises:
        InvalidArguments: Something was not fetched.
    """
    for argument in fetched:
        value = kwargs.get(argument.keyword)
        if value is None:
            continue
        files = [file for name, file in call.files if name == argument.wire_name]
        is_list = isinstance(value, list | tuple)
        count = len(value) if is_list else 1
        if len(files) < count:
            raise InvalidArguments({argument.wire_name: [_NOT_FETCHED]})
        kwargs[argument.keyword] = files[:count] if is_list else files[0]


def _texts(value: Any, delimiter: str | None) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(value.split(delimiter)) if delimiter is not None else (value,)
    if isinstance(value, list | tuple):
        return tuple(item for item in value if isinstance(item, str))
    return ()
