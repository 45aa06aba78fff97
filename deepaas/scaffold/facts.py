# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What has to be known to write a package."""

from dataclasses import dataclass, field
from datetime import date

from deepaas.errors import ConfigurationError
from deepaas.scaffold.names import Names

#: Those whose text is written into ``LICENSE``.
LICENCES = ("Apache-2.0", "MIT", "BSD-3-Clause")


@dataclass(frozen=True)
class Facts:
    """The texts of a package; each may hold whatever people write, within its limits."""

    names: Names
    #: May have several lines, as may the summary.
    title: str
    summary: str
    #: One line: the metadata of packages has no place for more.
    author: str
    #: One of :data:`LICENCES`; of a code base that is there whatever it says, or nothing.
    licence: str = LICENCES[0]
    #: The day that the catalogues show.
    today: date = field(default_factory=date.today)

    def __post_init__(self) -> None:
        for name in ("title", "summary", "author"):
            _require_text(name, getattr(self, name))
        if any(not each.isprintable() for each in self.author):
            raise ConfigurationError(f"The author {self.author!r} has to be one line of text.")


def _require_text(name: str, text: str) -> None:
    if not text.strip():
        raise ConfigurationError(f"The {name} is empty.")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as exc:
        raise ConfigurationError(f"The {name} {text!r} is no text in UTF-8.") from exc
    if wrong := [each for each in text if (each < " " and each != "\n") or each == "\x7f"]:
        raise ConfigurationError(
            f"The {name} {text!r} has the control character {wrong[0]!r}; leave it out."
        )
