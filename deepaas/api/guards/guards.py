# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The guards that look at requests."""

from dataclasses import dataclass, field

from aiohttp import web

from deepaas.api.guards.headers import AnswerHeaders
from deepaas.api.guards.hosts import Hosts
from deepaas.api.guards.origins import Cors, Origins
from deepaas.api.guards.proxies import Proxies
from deepaas.api.guards.rates import Callers
from deepaas.config.guards import ANY, GuardSettings


@dataclass(frozen=True, slots=True)
class Guards:
    """Those that are switched on; without arguments, none that refuses anything."""

    hosts: Hosts | None = None
    origins: Origins | None = None
    callers: Callers | None = None
    cors: Cors | None = None
    proxies: Proxies = field(default_factory=Proxies)

    def check(self, request: web.Request) -> None:
        """Refuse what no caller may do, before anybody asks who calls.

        Raises:
            Forbidden, InvalidInput: See :class:`~deepaas.api.guards.hosts.Hosts` and
                :class:`~deepaas.api.guards.origins.Origins`.
        """
        if self.hosts is not None:
            self.hosts.check(request)
        if self.origins is not None:
            self.origins.check(request)

    @property
    def headers(self) -> AnswerHeaders:
        """What is added to answers."""
        return AnswerHeaders(self.cors)


def make_guards(settings: GuardSettings, *, on_loopback: bool) -> Guards:
    """Make the guards that the settings ask for.

    Args:
        settings: Of the service.
        on_loopback: Whether it listens on a loopback address only.
    """
    proxies = Proxies(settings.trusted_proxies, reads_forwarded=settings.reads_forwarded)
    origins, hosts = settings.allowed_origins, settings.allowed_hosts
    checks_hosts = ANY not in hosts and (on_loopback or bool(hosts))
    has_limits = settings.rate is not None or settings.max_concurrent
    return Guards(
        hosts=Hosts(hosts) if checks_hosts else None,
        origins=None if ANY in origins else Origins(origins, proxies),
        callers=Callers(settings.rate, settings.max_concurrent) if has_limits else None,
        cors=Cors(origins) if origins else None,
        proxies=proxies,
    )
