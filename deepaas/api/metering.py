# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Counts the requests: a microsecond or two for each, since every one pays."""

import time
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from deepaas.api.access import CLIENT, STARTED, log_gone
from deepaas.api.guards.proxies import Proxies
from deepaas.api.routing import Route
from deepaas.model.registry import ModelRegistry
from deepaas.service.traffic import GONE, Asked, Traffic
from deepaas.telemetry import Histogram

#: Others are counted together: a client may send any word.
_METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_OTHER: Final = "other"

_Key = tuple[web.AbstractRoute, str | None, int]


class RequestMeter:
    """Counts each request by model, route, method and class of status, with the time it took.

    The time ends when the answer is there, of one that is sent piece by piece when it is sent.
    """

    def __init__(
        self,
        traffic: Traffic,
        rows: Mapping[web.AbstractRoute, Route],
        models: ModelRegistry,
        *,
        logs_through: Proxies | None = None,
    ) -> None:
        """Count nothing yet.

        Args:
            traffic: Where to count.
            rows: The table of routes.
            models: Those that are served.
            logs_through: By what the access log knows clients, ``None`` if there is none.
        """
        self._traffic = traffic
        self._rows = rows
        self._models = models
        self._logs_through = logs_through
        #: What a request is counted by, to where; only what the table of routes and the models
        #: bound, never what a client makes up.
        self._known: dict[_Key, Histogram] = {}

    def begin(self, request: web.Request) -> float:
        """Count a request that begins, and return its start for :meth:`end`."""
        self._traffic.in_flight += 1
        started_s = time.perf_counter()
        if self._logs_through is not None:
            request[STARTED] = started_s
            request[CLIENT] = str(self._logs_through.client_of(request).address or "-")
        return started_s

    def end(
        self, request: web.Request, started_s: float, response: web.StreamResponse | None
    ) -> None:
        """Count a request that has ended; ``response`` is ``None`` if nobody waits for one."""
        self._traffic.in_flight -= 1
        match = request.match_info
        status = 0 if response is None else response.status // 100
        key = (match.route, match.get("model"), status)
        series = self._known.get(key) or self._series(key, request.method)
        series.add(time.perf_counter() - started_s)
        if response is None and self._logs_through is not None:
            log_gone(request)

    def _series(self, key: _Key, method: str) -> Histogram:
        route, model, status = key
        row = self._rows.get(route)
        is_known = row is not None and (model is None or model in self._models)
        series = self._traffic.of(
            Asked(
                model if is_known and model is not None else "",
                "" if row is None else row.path,
                method if method in _METHODS else _OTHER,
                f"{status}xx" if status else GONE,
            )
        )
        if is_known:
            self._known[key] = series
        return series
