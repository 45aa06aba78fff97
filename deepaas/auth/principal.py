# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Who somebody is, and what they may do here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final


class Policy(StrEnum):
    """What a route lets its caller do; every route states one."""

    #: Whether the service lives; for probes, never refused.
    PUBLIC = "public"
    #: See what is served and what ran.
    READ = "read"
    PREDICT = "predict"
    #: Start and cancel trainings.
    TRAIN = "train"
    #: Change what is served, and deal with the jobs of others.
    MANAGE = "manage"
    #: See the jobs of others; no route states it, it is asked for job by job.
    JOBS = "jobs"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody is, as a key or a token proves it; it says nothing yet of what they may do."""

    #: Unique among all that can sign in here: ``key:NAME``, or ``SUBJECT@ISSUER``.
    name: str
    #: Roles of a key.
    roles: frozenset[str] = frozenset()
    #: Groups that an issuer attests.
    groups: frozenset[str] = frozenset()
    #: Entitlements that an issuer attests (AARC-G069, AARC-G027), as written.
    entitlements: frozenset[str] = frozenset()
    #: When the proof ends, ``None`` for never.
    expires: datetime | None = None


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls, and what they may do."""

    #: ``None`` for an anonymous caller.
    name: str | None
    #: For every model that has no rules of its own, and where no model is named.
    allowed: frozenset[Policy]
    #: Name of a model to what is allowed there, in the place of ``allowed``.
    allowed_for: Mapping[str, frozenset[Policy]] = field(default_factory=dict)

    def may(self, policy: Policy, model: str | None = None) -> bool:
        """Whether the principal may do what the policy stands for, with a model if one is named."""
        allowed = self.allowed if model is None else self.allowed_for.get(model, self.allowed)
        return policy is Policy.PUBLIC or policy in allowed

    def may_somewhere(self, policy: Policy) -> bool:
        """Whether the principal may do what the policy stands for, with some model at least."""
        return self.may(policy) or any(policy in each for each in self.allowed_for.values())


#: Who calls where nobody is asked to sign in, and may do nothing else.
STRANGER: Final = Principal(None, frozenset())
