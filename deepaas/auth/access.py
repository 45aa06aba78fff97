# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Who may do what: the rules that an operator gives, read once."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Self

from deepaas.auth.entitlements import WantedEntitlement
from deepaas.auth.principal import Identity, Policy, Principal
from deepaas.errors import ConfigurationError

#: What rules are about, each with its option ``allow-…``.
RIGHTS: Final = (Policy.READ, Policy.PREDICT, Policy.TRAIN, Policy.MANAGE, Policy.JOBS)
#: What the roles of a key allow by themselves; each includes those before it.
LADDER: Final = (Policy.READ, Policy.PREDICT, Policy.TRAIN, Policy.MANAGE)
_SUBJECT: Final = re.compile(
    r"(?P<plain>anonymous|signed-in)"
    r"|(?P<kind>role|group|entitlement|key|subject):(?P<value>\S(?:.*\S)?)"
)
_FORMS: Final = (
    "anonymous, signed-in, role:NAME, group:NAME, entitlement:URN, key:NAME or subject:SUB@ISSUER,"
    " and MODEL= before it for one model"
)


class SubjectKind(StrEnum):
    """By what a rule knows somebody."""

    #: Everybody, those who sign in too.
    ANONYMOUS = "anonymous"
    #: Everybody who signs in.
    SIGNED_IN = "signed-in"
    #: Who has a key with this role.
    ROLE = "role"
    #: Whom an issuer calls a member of this group.
    GROUP = "group"
    #: Whom an issuer attests this entitlement, or one that includes it.
    ENTITLEMENT = "entitlement"
    #: Who has the key of this name.
    KEY = "key"
    #: Whom an issuer knows by this name.
    SUBJECT = "subject"


#: By what rules know those who sign in through an issuer.
OF_ISSUERS: Final = frozenset(
    {
        SubjectKind.ANONYMOUS,
        SubjectKind.SIGNED_IN,
        SubjectKind.GROUP,
        SubjectKind.ENTITLEMENT,
        SubjectKind.SUBJECT,
    }
)


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a rule is about."""

    kind: SubjectKind
    #: Empty for the kinds that need none.
    value: str = ""
    entitlement: WantedEntitlement | None = field(default=None, compare=False)

    def matches(self, identity: Identity | None) -> bool:
        """Tell whether somebody is meant; ``None``: who has not signed in."""
        if self.kind is SubjectKind.ANONYMOUS:
            return True
        if identity is None:
            return False
        match self.kind:
            case SubjectKind.SIGNED_IN:
                return True
            case SubjectKind.ROLE:
                return self.value in identity.roles
            case SubjectKind.GROUP:
                return self.value in identity.groups
            case SubjectKind.KEY:
                return identity.name == f"key:{self.value}"
            case SubjectKind.SUBJECT:
                return identity.name == self.value
        wanted = self.entitlement
        assert wanted is not None
        return wanted.is_among(identity.entitlements)


@dataclass(frozen=True, slots=True)
class Rule:
    """Who has a right."""

    general: tuple[Subject, ...] = ()
    #: Name of a model to who has it there, in the place of the general rule and of roles.
    for_models: Mapping[str, tuple[Subject, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AccessRules:
    """All rules; without any, the roles of keys decide alone."""

    rules: Mapping[Policy, Rule] = field(default_factory=dict)

    @classmethod
    def parse(cls, texts: Mapping[Policy, str]) -> Self:
        """Read the rules.

        Args:
            texts: For each right the value of its option: subjects, comma-separated.

        Raises:
            ConfigurationError: A subject is none; the message names it and the option.
        """
        return cls({policy: _rule(option_of(policy), text) for policy, text in texts.items()})

    @property
    def models(self) -> frozenset[str]:
        """Names of the models that some rule is about alone."""
        return frozenset(name for rule in self.rules.values() for name in rule.for_models)

    def require_models(self, served: Collection[str]) -> None:
        """Check that the models which rules name are served: a misspelt rule protects nothing.

        Raises:
            ConfigurationError: One is not; the message names it and the option.
        """
        for policy, rule in self.rules.items():
            for name in rule.for_models:
                if name not in served:
                    raise ConfigurationError(
                        f"{option_of(policy)} has a rule for the model {name!r}, which is not"
                        f" served here; {', '.join(sorted(served)) or 'nothing'} is."
                    )

    def mentions(self, kinds: Collection[SubjectKind]) -> bool:
        """Tell whether a rule is about subjects of these kinds."""
        return any(
            subject.kind in kinds
            for rule in self.rules.values()
            for subjects in (rule.general, *rule.for_models.values())
            for subject in subjects
        )

    def principal_of(self, identity: Identity | None) -> Principal:
        """Return what somebody may do; ``None``: who has not signed in."""
        by_role = frozenset() if identity is None else _allowed_by(identity.roles)
        name = None if identity is None else identity.name
        allowed_for = {model: self._allowed(identity, by_role, model) for model in self.models}
        return Principal(name, self._allowed(identity, by_role, None), allowed_for)

    def _allowed(
        self, identity: Identity | None, by_role: frozenset[Policy], model: str | None
    ) -> frozenset[Policy]:
        allowed = set()
        for policy in RIGHTS:
            rule = self.rules.get(policy, Rule())
            alone = None if model is None else rule.for_models.get(model)
            subjects = rule.general if alone is None else alone
            is_by_role = alone is None and policy in by_role
            if is_by_role or any(each.matches(identity) for each in subjects):
                allowed.add(policy)
        if Policy.MANAGE in allowed:
            allowed.add(Policy.JOBS)
        return frozenset(allowed)


def option_of(policy: Policy) -> str:
    """Return the name of the option that says who has a right."""
    return f"allow-{policy}"


def _allowed_by(roles: Iterable[str]) -> frozenset[Policy]:
    highest = max((LADDER.index(each) for each in LADDER if each in roles), default=-1)
    return frozenset(LADDER[: highest + 1])


def _rule(option: str, text: str) -> Rule:
    general: list[Subject] = []
    for_models: dict[str, tuple[Subject, ...]] = {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        model, subject = _subject(option, part)
        if model is None:
            general.append(subject)
        else:
            for_models[model] = (*for_models.get(model, ()), subject)
    return Rule(tuple(general), for_models)


def _subject(option: str, text: str) -> tuple[str | None, Subject]:
    """Return a subject, and the model that it is meant for, if one is named."""
    model: str | None = None
    found = _SUBJECT.fullmatch(text)
    if found is None:
        # After it: a value may hold an equals sign itself, as that of an entitlement does.
        model, _, rest = text.partition("=")
        found = _SUBJECT.fullmatch(rest.strip())
    if found is None or (model is not None and not model.strip()):
        raise ConfigurationError(f"{option}: {text!r} is no subject; it must be {_FORMS}.")
    kind = SubjectKind(found["plain"] or found["kind"])
    value = found["value"] or ""
    if kind is SubjectKind.SUBJECT and "@" not in value:
        raise ConfigurationError(
            f"{option}: {text!r} names no issuer; it must be subject:SUB@ISSUER."
        )
    wanted = WantedEntitlement(value) if kind is SubjectKind.ENTITLEMENT else None
    return model and model.strip(), Subject(kind, value, wanted)
