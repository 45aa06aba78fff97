# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What was asked of the service: counted by who answers requests, read by who watches."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from deepaas.telemetry.histogram import LATENCY_BOUNDS_S, Buckets, Histogram

#: In the place of a class of status: the client left before its answer, or within it.
GONE: Final = "gone"
#: The route whose requests are predictions.
PREDICT_ROUTE: Final = "/v2/models/{model}/predict/"


class Asked(NamedTuple):
    """What requests have in common that are counted together; of each there are few."""

    #: Name of a model that is served, empty for none.
    model: str
    #: As the table of routes has it, such as ``/v2/models/{model}/predict/``; empty for none.
    route: str
    method: str
    #: ``2xx`` and so on, or :data:`GONE`.
    status: str


class Traffic:
    """Counts requests, in the event loop's thread only."""

    def __init__(self) -> None:
        #: Requests that are being answered.
        self.in_flight = 0
        self._series: dict[Asked, Histogram] = {}

    def of(self, asked: Asked) -> Histogram:
        """Return where the seconds of such requests are counted; the caller may keep it."""
        return self._series.setdefault(asked, Histogram(LATENCY_BOUNDS_S))

    def __iter__(self) -> Iterator[tuple[Asked, Buckets]]:
        """Give everything that was counted until now."""
        for asked, histogram in self._series.items():
            yield asked, histogram.read()

    def statuses(self, model: str) -> Mapping[str, int]:
        """Return how many requests about a model were answered, by the class of the status."""
        found: Counter[str] = Counter()
        for asked, histogram in self._series.items():
            if asked.model == model:
                found[asked.status] += histogram.read().number
        return found

    def latencies(self, model: str, route: str) -> Buckets:
        """Return how long the requests of a route about a model took, whatever came of them."""
        found = Buckets.empty(LATENCY_BOUNDS_S)
        for asked, histogram in self._series.items():
            if (asked.model, asked.route) == (model, route):
                found = found.plus(histogram.read())
        return found
