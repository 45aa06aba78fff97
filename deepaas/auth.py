# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Who calls, and what they may do."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Policy(StrEnum):
    """What a route lets its caller do; every route states one."""

    #: Whether the service lives; for probes, never refused.
    PUBLIC = "public"
    #: See what is served and what ran.
    READ = "read"
    PREDICT = "predict"
    #: Start and cancel trainings.
    TRAIN = "train"
    #: Change what is served.
    MANAGE = "manage"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls."""

    #: ``None`` for an anonymous caller.
    name: str | None
    allowed: frozenset[Policy]

    def may(self, policy: Policy) -> bool:
        """Whether the principal may do what the policy stands for."""
        return policy is Policy.PUBLIC or policy in self.allowed


class Authenticator(Protocol):
    """Tells who calls; safe to use by many requests at once."""

    async def authenticate(self, headers: Mapping[str, str]) -> Principal:
        """Return the caller."""
        ...


class NoSignIn:
    """Everyone is anonymous and may do everything, as existing deployments expect."""

    _ANYONE = Principal(None, frozenset(Policy))

    async def authenticate(self, headers: Mapping[str, str]) -> Principal:
        """Return the anonymous principal."""
        return self._ANYONE
