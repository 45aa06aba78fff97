# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Open what finds out who calls, as the options say."""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from deepaas.auth import Authenticator, NoSignIn, Policy, TokenSource
from deepaas.config import Settings
from deepaas.config.oidc import is_loopback
from deepaas.config.sign_in import KEYS_FILE_VARIABLE, KEYS_VARIABLE, SignInSettings
from deepaas.errors import ConfigurationError

if TYPE_CHECKING:
    from deepaas.auth.access import AccessRules
    from deepaas.auth.keyring import KeyRing

logger = logging.getLogger(__name__)


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
    has_keys = given.keys_file is not None or given.keys != ""
    if not (has_keys or sources or given.allow):
        if not is_loopback(settings.listen_ip):
            _warn_of_everybody(settings.listen_ip)
        yield NoSignIn()
        return
    rules = await asyncio.to_thread(_read_rules, given, models)
    if not (has_keys or sources):
        raise _rules_for_nobody(given)
    if sources:
        _warn_of_issuers_without_rules(rules)
    async with await asyncio.to_thread(_read_keys, given, rules) as ring:
        from deepaas.auth.signin import SignIn

        logger.info(
            "Callers sign in: %d keys, %d issuers.",
            len(ring),
            len(settings.oidc.issuers),
            extra={"action": "sign_in_on"},
        )
        yield SignIn(rules, ring, sources)


def _read_rules(given: SignInSettings, models: Collection[str]) -> "AccessRules":
    # Not above, nor the keys: nobody needs it who lets everybody in, and it takes its time.
    from deepaas.auth.access import AccessRules

    rules = AccessRules.parse({Policy(right): text for right, text in given.allow.items()})
    rules.require_models(models)
    return rules


def _read_keys(given: SignInSettings, rules: "AccessRules") -> "KeyRing":
    from deepaas.auth.keyring import KeyRing

    files = [] if given.keys_file is None else [given.keys_file]
    return KeyRing(files, given.keys, principal_of=rules.principal_of, where=KEYS_VARIABLE)


def _rules_for_nobody(given: SignInSettings) -> ConfigurationError:
    options = ", ".join(f"allow-{right}" for right in given.allow)
    return ConfigurationError(
        f"{options} would hold for nobody, since nobody can sign in, and would keep nobody out;"
        f" name a file of keys with --auth-keys-file or {KEYS_FILE_VARIABLE}, give keys in"
        f" {KEYS_VARIABLE}, name an issuer of tokens with --auth-issuer, or leave the rules out."
    )


def _warn_of_issuers_without_rules(rules: "AccessRules") -> None:
    from deepaas.auth.access import OF_ISSUERS

    if not rules.mentions(OF_ISSUERS):
        logger.warning(
            "Nobody who signs in through an issuer may do anything: no option allow-… names"
            " signed-in, a group, an entitlement or a subject.",
            extra={"action": "issuers_without_rules"},
        )


def _warn_of_everybody(address: str) -> None:
    logger.warning(
        "NOBODY SIGNS IN: everybody who reaches %s can predict, train, read and remove all jobs,"
        " and change what is served. Let callers sign in with --auth-keys-file (`deepaas keys"
        " create` makes it) or --auth-issuer, or listen on 127.0.0.1 only.",
        address,
        extra={"action": "no_sign_in"},
    )
