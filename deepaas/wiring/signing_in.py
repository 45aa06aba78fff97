# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Open what finds out who calls, as the options say."""

import asyncio
import ipaddress
import logging
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from deepaas.auth import Authenticator, NoSignIn, Policy, TokenSource
from deepaas.auth.access import AccessRules, SubjectKind, option_of
from deepaas.auth.keyring import KeyRing
from deepaas.auth.signin import SignIn
from deepaas.config import Settings
from deepaas.config.sign_in import KEYS_FILE_VARIABLE, KEYS_VARIABLE, SignInSettings
from deepaas.errors import ConfigurationError

logger = logging.getLogger(__name__)

#: By what rules know those who sign in through an issuer.
_OF_ISSUERS = frozenset(
    {
        SubjectKind.ANONYMOUS,
        SubjectKind.SIGNED_IN,
        SubjectKind.GROUP,
        SubjectKind.ENTITLEMENT,
        SubjectKind.SUBJECT,
    }
)


@asynccontextmanager
async def open_sign_in(
    settings: Settings, models: Collection[str], sources: Sequence[TokenSource] = ()
) -> AsyncIterator[Authenticator]:
    """Give what tells who calls; without keys and sources of tokens, nobody signs in.

    Args:
        settings: The options.
        models: Names of the models that are to be served.
        sources: Judge the tokens of issuers; opened and closed by the caller.

    Raises:
        ConfigurationError: Keys cannot be read, a rule cannot be used, or there are rules and
            nobody can sign in.
    """
    given = settings.sign_in
    rules = AccessRules.parse({Policy(right): text for right, text in given.allow.items()})
    rules.require_models(models)
    if given.keys_file is None and not given.keys.strip() and not sources:
        _require_no_rules(rules, given)
        if not _is_loopback(settings.listen_ip):
            _warn_of_everybody(settings.listen_ip)
        yield NoSignIn()
        return
    if sources and not rules.mentions(_OF_ISSUERS):
        logger.warning(
            "Nobody who signs in through an issuer may do anything: no option allow-… names"
            " signed-in, a group, an entitlement or a subject.",
            extra={"action": "issuers_without_rules"},
        )
    async with AsyncExitStack() as stack:
        ring = await asyncio.to_thread(_read_keys, given, rules)
        await stack.enter_async_context(ring)
        logger.info(
            "Callers sign in: %d keys, %d issuers.",
            len(ring),
            len(settings.oidc.issuers),
            extra={"action": "sign_in_on"},
        )
        yield SignIn(rules, ring, sources)


def _read_keys(given: SignInSettings, rules: AccessRules) -> KeyRing:
    files: list[Path] = [] if given.keys_file is None else [given.keys_file]
    return KeyRing(files, given.keys, principal_of=rules.principal_of, where=KEYS_VARIABLE)


def _require_no_rules(rules: AccessRules, given: SignInSettings) -> None:
    if rules.is_empty:
        return
    options = ", ".join(option_of(Policy(right)) for right in given.allow)
    raise ConfigurationError(
        f"{options} would hold for nobody, since nobody can sign in, and would keep nobody out;"
        f" name a file of keys with --auth-keys-file or {KEYS_FILE_VARIABLE}, or give keys in"
        f" {KEYS_VARIABLE}, or leave the rules out."
    )


def _is_loopback(address: str) -> bool:
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _warn_of_everybody(address: str) -> None:
    logger.warning(
        "NOBODY SIGNS IN: everybody who reaches %s can predict, train, read and remove all jobs,"
        " and change what is served. Let callers sign in with --auth-keys-file (`deepaas keys"
        " create` makes it), or listen on 127.0.0.1 only.",
        address,
        extra={"action": "no_sign_in"},
    )
