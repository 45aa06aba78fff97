# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Entitlements as AARC-G069 writes them for groups, and AARC-G027 for capabilities.

``urn:NID:NAMESPACE[:SUBNAMESPACE…]:group:GROUP[:SUBGROUP…][:role=ROLE][#AUTHORITY]``. flaat decides
who has one; before it stand two guards of ours, since it passes over an authority that is asked
for, and lets a further part of the namespace, which somebody else may own, count as the namespace.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

_CLAIM: Final = "entitlements"
_GROUP: Final = ":group:"


class _Parts(NamedTuple):
    #: Without who attests it.
    urn: str
    #: Who attests it, ``None`` where it is not said.
    authority: str | None
    #: What stands before the group, the same in capitals (RFC 8141, section 3.1); of another form,
    #: nothing.
    namespace: str


class WantedEntitlement:
    """An entitlement that a rule asks for.

    A member of a subgroup is a member of its parents, and whoever has a role in a group is a member
    of it; a role counts in its own group only. What is no group is had or not, letter by letter.

    Args:
        text: As the rule has it.
    """

    def __init__(self, text: str) -> None:
        # A quarter of a second to import, which only those pay who ask for entitlements.
        from flaat.requirements import HasAARCEntitlement

        self._parts = _parts(text)
        self._requirement = HasAARCEntitlement(self._parts.urn, _CLAIM)

    def is_among(self, entitlements: Iterable[str]) -> bool:
        """Tell whether somebody has it who has these."""
        return any(self._is(_parts(text)) for text in entitlements)

    def _is(self, has: _Parts) -> bool:
        wanted = self._parts
        if wanted.authority is not None and wanted.authority != has.authority:
            return False
        if wanted.namespace != has.namespace:
            return False
        return bool(self._requirement.is_satisfied_by({_CLAIM: has.urn}).is_satisfied)


def _parts(text: str) -> _Parts:
    urn, hash_sign, authority = text.partition("#")
    before, group, _ = urn.partition(_GROUP)
    return _Parts(urn, authority if hash_sign else None, before.lower() if group else "")
