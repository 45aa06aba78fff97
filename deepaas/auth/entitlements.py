# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Entitlements as AARC-G069 writes them for groups, and AARC-G027 for capabilities.

``urn:NID:NAMESPACE[:SUBNAMESPACE…]:group:GROUP[:SUBGROUP…][:role=ROLE][#AUTHORITY]``. flaat decides
who has one; before it stand three guards of ours, since it passes over an authority that is asked
for, lets a further part of the namespace, which somebody else may own, count as the namespace, and
begins the groups at the last part ``group``: whoever may name subgroups would be in any group.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from importlib.metadata import version
from typing import Any, Final, NamedTuple

from deepaas.errors import ConfigurationError

_CLAIM: Final = "entitlements"
_GROUP: Final = ":group:"
#: The oldest that judges entitlements as it is relied on here.
_FLAAT: Final = (1, 3, 1)
#: Of each rule, of what people have. What flaat says of one takes 0.1 ms, and most have the same.
_MOST_KNOWN: Final = 512


class _Parts(NamedTuple):
    #: Without who attests it.
    urn: str
    #: Who attests it, ``None`` where it is not said.
    authority: str | None
    #: What stands before the group, the same in capitals (RFC 8141, section 3.1); of another form,
    #: nothing.
    namespace: str
    #: Whether more than one part may be the one before the groups, so that it means two things.
    is_ambiguous: bool


class WantedEntitlement:
    """An entitlement that a rule asks for.

    A member of a subgroup is a member of its parents, and whoever has a role in a group is a member
    of it; a role counts in its own group only. What is no group is had or not, letter by letter.

    Args:
        text: As the rule has it.
    """

    def __init__(self, text: str) -> None:
        self._parts = _parts(text)
        self._requirement = _requirement_class()(self._parts.urn, _CLAIM)
        self._is_enough = lru_cache(_MOST_KNOWN)(self._judge)

    def is_among(self, entitlements: Iterable[str]) -> bool:
        """Tell whether somebody has it who has these."""
        return any(map(self._is_enough, entitlements))

    def _judge(self, text: str) -> bool:
        wanted, has = self._parts, _parts(text)
        if wanted.authority is not None and wanted.authority != has.authority:
            return False
        if wanted.namespace != has.namespace or has.is_ambiguous:
            return False
        return bool(self._requirement.is_satisfied_by({_CLAIM: has.urn}).is_satisfied)


def _requirement_class() -> Any:
    """Return flaat's class; packages of models may have brought an older flaat, which has none."""
    found = version("flaat")
    if tuple(map(int, re.findall(r"\d+", found)[:3])) < _FLAAT:
        raise ConfigurationError(
            f"Entitlements need flaat {'.'.join(map(str, _FLAAT))} or newer, and {found} is"
            " installed: upgrade it, or leave rules with entitlements out."
        )
    # A quarter of a second to import, which only those pay who ask for entitlements.
    from flaat.requirements import HasAARCEntitlement

    return HasAARCEntitlement


def _parts(text: str) -> _Parts:
    urn, hash_sign, authority = text.partition("#")
    before, group, _ = urn.partition(_GROUP)
    is_ambiguous = urn.split(":")[:-1].count("group") > 1
    return _Parts(
        urn, authority if hash_sign else None, before.lower() if group else "", is_ambiguous
    )
