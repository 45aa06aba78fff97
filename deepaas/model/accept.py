# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The argument ``accept``: which media type a client gets."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from deepaas.errors import InvalidArguments

ANYTHING = "*/*"


class AcceptRule(NamedTuple):
    """How the value of a declared argument ``accept`` is found and checked."""

    wire_name: str
    #: Of its ``OneOf``, in the author's order; empty where any value will do.
    choices: tuple[str, ...]
    #: Whether it is the request header, which holds ranges and preferences.
    is_header: bool
    #: The model's own default, which counts only without choices.
    default: str | None = None

    def resolve(self, value: Any) -> Any:
        """Turn what the client sent into what the model gets.

        Args:
            value: The argument's text or the header's; anything else is left to the field.

        Raises:
            InvalidArguments: It is a header and none of the choices fits it.
        """
        if not isinstance(value, str):
            return value
        # Whitespace around a value means nothing in a header and is none of a media type.
        value = value.strip()
        fallback = self.choices[0] if self.choices else self.default or ANYTHING
        if value == ANYTHING:
            return fallback
        if not self.is_header or value in self.choices:
            return value
        if not self.choices:
            preferred = _most_wanted(value)
            return fallback if "*" in preferred else preferred
        chosen = negotiate(value, self.choices)
        if chosen is None:
            raise InvalidArguments(
                {self.wire_name: [f"Must be one of: {', '.join(self.choices)}."]}
            )
        return chosen


def negotiate(header: str, choices: Sequence[str]) -> str | None:
    """Choose a media type by an ``Accept`` header (RFC 9110 sections 12.4.2 and 12.5.1).

    Each choice has the quality of the most specific range that it matches; among equals the
    earlier choice wins. A range that cannot be read is ignored.

    Returns:
        One of ``choices``, or ``None`` where the client accepts none of them.
    """
    ranges = _parse(header)
    best, best_quality = None, 0.0
    for choice in choices:
        offered = _MediaRange.read(choice)
        matching = [r for r in ranges if offered is not None and r.includes(offered)]
        if not matching:
            continue
        quality = max(matching, key=lambda r: r.specificity).quality
        if quality > best_quality:
            best, best_quality = choice, quality
    return best


class _MediaRange(NamedTuple):
    type: str
    subtype: str
    parameters: frozenset[str]
    quality: float

    @classmethod
    def read(cls, text: str) -> "_MediaRange | None":
        essence, *parameters = (part.strip().lower() for part in text.split(";"))
        main, slash, sub = essence.partition("/")
        if not (slash and main and sub):
            return None
        quality = 1.0
        kept = set()
        for parameter in parameters:
            if not parameter.startswith("q="):
                kept.add(parameter.replace('"', ""))
                continue
            try:
                quality = float(parameter[2:])
            except ValueError:
                return None
            if not 0 <= quality <= 1:
                return None
        return cls(main, sub, frozenset(kept), quality)

    @property
    def specificity(self) -> tuple[bool, bool, int]:
        return (self.type != "*", self.subtype != "*", len(self.parameters))

    def includes(self, offered: "_MediaRange") -> bool:
        return (
            self.type in ("*", offered.type)
            and self.subtype in ("*", offered.subtype)
            and self.parameters <= offered.parameters
        )


def _parse(header: str) -> list[_MediaRange]:
    return [r for part in header.split(",") if (r := _MediaRange.read(part)) is not None]


def _most_wanted(header: str) -> str:
    """Return the range a client prefers, without its parameters; the first of equals."""
    ranges = sorted(_parse(header), key=lambda r: -r.quality)
    return f"{ranges[0].type}/{ranges[0].subtype}" if ranges else ANYTHING
