# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Requests are counted once, and put together as they are asked for."""

from deepaas.api.app import ROUTES
from deepaas.service.traffic import GONE, PREDICT_ROUTE, Asked, Traffic


def test_what_was_counted_is_put_together() -> None:
    traffic = Traffic()
    predict = Asked("cat", PREDICT_ROUTE, "POST", "2xx")
    for asked, seconds in (
        (predict, 0.1),
        (predict, 0.2),
        (predict._replace(status=GONE), 0.4),
        (predict._replace(model="dog"), 0.8),
        (Asked("cat", "/v2/models/{model}/", "GET", "2xx"), 1.6),
    ):
        traffic.of(asked).add(seconds)
    assert traffic.statuses("cat") == {"2xx": 3, GONE: 1}
    assert traffic.statuses("cow") == {}
    latencies = traffic.latencies("cat", PREDICT_ROUTE)
    assert (latencies.number, round(latencies.total, 6)) == (3, 0.7)
    assert dict(traffic)[predict].number == 2


def test_the_route_of_predictions_is_one() -> None:
    assert [route.method for route in ROUTES if route.path == PREDICT_ROUTE] == ["POST"]
