# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Entitlements as AARC-G069 writes them for groups, and AARC-G027 for capabilities.

``urn:NID:NAMESPACE[:SUBNAMESPACE…]:group:GROUP[:SUBGROUP…][:role=ROLE][#AUTHORITY]``. The package
``aarc-entitlement`` reads them too, but passes over an authority that is asked for, lets a further
part of the namespace, which somebody else may own, count as the namespace, and takes 80 ms to
import.
"""

import re
from dataclasses import dataclass
from typing import Self

_GROUP = re.compile(r"(urn:[^:#]+:[^:#]+(?::[^:#]+)*?):group:([^#]+)", re.IGNORECASE)
_PERCENT = re.compile(r"%[0-9a-fA-F]{2}")
_ROLE = "role="


@dataclass(frozen=True, slots=True)
class Entitlement:
    """What an issuer attests of somebody, or what a rule asks for."""

    #: Of a group; the whole text before the authority where it is of another form.
    namespace: str
    #: From the root down; empty where it is of another form.
    groups: tuple[str, ...]
    #: In the deepest group, ``None`` for a plain member.
    role: str | None
    #: Who attests it, ``None`` where it is not said.
    authority: str | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an entitlement; what is of another form stands for itself."""
        urn, hash_sign, authority = text.partition("#")
        found = _GROUP.fullmatch(urn)
        attested_by = authority if hash_sign else None
        if found is None:
            return cls(urn, (), None, attested_by)
        *groups, last = found[2].split(":")
        role = last.removeprefix(_ROLE) if last.startswith(_ROLE) else None
        if role is None:
            groups.append(last)
        if not all(groups) or not groups or role == "":
            return cls(urn, (), None, attested_by)
        normal = tuple(map(_normal, groups))
        # A namespace is the same in capitals (RFC 8141, section 3.1, and AARC-G069).
        return cls(found[1].lower(), normal, role and _normal(role), attested_by)

    def satisfies(self, wanted: "Entitlement") -> bool:
        """Tell whether who has this one belongs to those for whom another one is asked for.

        A member of a subgroup is a member of its parents, and whoever has a role in a group is a
        member of it; a role counts in its own group only. The authority counts where it is asked
        for.
        """
        if wanted.authority is not None and wanted.authority != self.authority:
            return False
        if wanted.namespace != self.namespace:
            return False
        if wanted.role is not None:
            return (wanted.groups, wanted.role) == (self.groups, self.role)
        if not wanted.groups:
            return not self.groups
        return self.groups[: len(wanted.groups)] == wanted.groups


def _normal(part: str) -> str:
    """Return a part in which encoded characters are written in one way."""
    return _PERCENT.sub(lambda found: found[0].upper(), part)
