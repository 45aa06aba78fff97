# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The log in a process that is there for a model, where the model's own set-up of it counts.

:func:`logging.basicConfig` does nothing where the root logger has a handler, and without one the
log is not what was asked for. So the service's handlers stand there, and give way to a model's.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any

from deepaas.records import LogSettings
from deepaas.telemetry.logs import configure_logging

#: Above all loggers of the service.
_SERVICE = "deepaas"


def configure_model_logging(settings: LogSettings) -> list[str]:
    """Set up the log of this process, up to what the model sets up itself later.

    What the service logs here goes where it went before, whatever the model wants for its own.

    Returns:
        What this machine does not have of what was asked for, as ``configure_logging`` does.

    Raises:
        ConfigurationError: What is asked for cannot be had.
    """
    problems = configure_logging(settings)
    root, service = logging.getLogger(), logging.getLogger(_SERVICE)
    if service.level == logging.NOTSET:
        service.setLevel(root.level)
    logging.basicConfig = _GivingWay(root.handlers, logging.basicConfig)
    return problems


class _GivingWay:
    """What :func:`logging.basicConfig` does in place of nothing while ``handlers`` are root's.

    A level alone is set. Whatever else the model names, it wants other handlers: it gets them, and
    these are the service's only.
    """

    def __init__(self, handlers: Sequence[logging.Handler], original: Callable[..., None]) -> None:
        self._handlers = list(handlers)
        self._original = original

    def __call__(self, **options: Any) -> None:
        root = logging.getLogger()
        named = {
            name for name, value in options.items() if value is not None and value is not False
        }
        if not self._handlers or root.handlers != self._handlers:
            self._original(**options)
        elif named - {"level"}:
            self._give_way(root, options)
        elif named:
            root.setLevel(options["level"])

    def _give_way(self, root: logging.Logger, options: dict[str, Any]) -> None:
        # Not by its ``force``, which would close them.
        root.handlers = []
        try:
            self._original(**options)
        except BaseException:
            root.handlers = self._handlers[:]
            raise
        service = logging.getLogger(_SERVICE)
        if service.propagate:  # a file of the operator's may have seen to that
            service.handlers += self._handlers
            service.propagate = False
