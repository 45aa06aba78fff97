# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What is told of the service while it runs: metrics, access log, watch of the loop, history."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from oslo_config import cfg

from deepaas.errors import ConfigurationError

WATCHING_OPTIONS: tuple[cfg.Opt, ...] = (
    cfg.BoolOpt(
        "metrics-endpoint",
        default=True,
        help="Offer /metrics, for Prometheus, to whoever may read.",
    ),
    cfg.BoolOpt(
        "access-log",
        default=False,
        help="Log a line for each request once it was answered: client, method, path, status,"
        " bytes, seconds.",
    ),
    cfg.FloatOpt(
        "slow-callback",
        default=0.25,
        min=0.0,
        help="Seconds that the event loop may stand still before the log says which code held it"
        " up. 0: nobody looks.",
    ),
    cfg.FloatOpt(
        "history-interval",
        default=60.0,
        min=0.0,
        help="Seconds between two samples of each model, for /v2/models/NAME/history: readiness,"
        " requests, latencies, jobs. 0: none are taken.",
    ),
)


@dataclass(frozen=True, slots=True)
class WatchingSettings:
    """What is told; times in seconds."""

    metrics_endpoint: bool = True
    access_log: bool = False
    slow_callback_s: float = 0.25
    history_interval_s: float = 60.0


def watching(values: Mapping[str, Any]) -> WatchingSettings:
    """Return the settings for these values of the options.

    Raises:
        ConfigurationError: A value cannot be used; the message names the option and the value.
    """
    return WatchingSettings(
        metrics_endpoint=values["metrics_endpoint"],
        access_log=values["access_log"],
        slow_callback_s=_seconds("slow-callback", values["slow_callback"], least=0.01),
        history_interval_s=_seconds("history-interval", values["history_interval"], least=1.0),
    )


def _seconds(option: str, value: float, *, least: float) -> float:
    if not math.isfinite(value) or 0 < value < least:
        raise ConfigurationError(
            f"{option} is {value}; it must be at least {least:g} seconds, or 0 to switch it off."
        )
    return value
