# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Every option, declared once; read once into a frozen record.

:mod:`~deepaas.config.options` declares them, :mod:`~deepaas.config.reading` finds their values,
:mod:`~deepaas.config.settings` makes checked settings of them.
"""

from deepaas.config.fetching import FETCH_OPTIONS, FetchSettings
from deepaas.config.function import (
    FUNCTION_OPTIONS,
    FunctionSettings,
    load_function_settings,
)
from deepaas.config.options import (
    CLI_OPTIONS,
    LOG_OPTIONS,
    MODEL_OPTIONS,
    PREDICT_OPTIONS,
    list_opts,
)
from deepaas.config.settings import (
    CliSettings,
    PredictSettings,
    Settings,
    load_cli_settings,
    load_predict_settings,
    load_settings,
)

__all__ = [
    "CLI_OPTIONS",
    "FETCH_OPTIONS",
    "FUNCTION_OPTIONS",
    "LOG_OPTIONS",
    "MODEL_OPTIONS",
    "PREDICT_OPTIONS",
    "CliSettings",
    "FetchSettings",
    "FunctionSettings",
    "PredictSettings",
    "Settings",
    "list_opts",
    "load_cli_settings",
    "load_function_settings",
    "load_predict_settings",
    "load_settings",
]
