# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""How what a job made was made: ``record.json`` in its directory, written by its own process.

It is written three times: before the model is loaded, when the function begins, and at its end,
so a process that dies leaves what was known. That it cannot be written ends no training.
"""

import json
import logging
import os
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from deepaas import __version__
from deepaas.execution.hardware import hardware
from deepaas.execution.installed import installed_packages, loaded_code, package_of
from deepaas.execution.jobdir import JobDirectory
from deepaas.model.arguments import display
from deepaas.model.encoding import json_or_repr
from deepaas.records import Argument, ModelSource

logger = logging.getLogger(__name__)

_FILE = "record.json"
_SEEDS = ("seed", "random_seed")


class Provenance:
    """Writes the record of one run of a job's function; its methods never raise an error.

    Args:
        directory: The job's.
    """

    def __init__(self, directory: JobDirectory) -> None:
        self._path = directory.path / _FILE
        self._pid = os.getpid()
        self._begun_s = time.monotonic()
        self._source: ModelSource | None = None
        self._facts: dict[str, Any] = {
            "started": _now(),
            "finished": None,
            "duration_s": None,
            "deepaas": __version__,
            "metrics": {},
        }

    def begin(self, source: ModelSource) -> None:
        """Note what there is before the model is loaded."""
        with self._forgiven():
            self._source = source
            self._facts["model"] = {"name": source.name, "from": source.label, **package_of(source)}
            self._facts["python"] = {
                "version": platform.python_version(),
                "implementation": platform.python_implementation(),
                "platform": platform.platform(),
            }
            self._facts["packages"] = installed_packages()
            self._facts["hardware"] = hardware()
            self._write()

    def called(self, declared: tuple[Argument, ...], arguments: Mapping[str, Any]) -> None:
        """Note how the function is called, secrets masked, and the code that was loaded for it."""
        with self._forgiven():
            shown = display(declared, arguments)
            self._facts["arguments"] = shown
            self._facts["seed"] = next((shown[name] for name in _SEEDS if name in shown), None)
            self._note_code()
            self._write()

    def end(self, metrics: Mapping[str, float]) -> None:
        """Note the end, with the last metrics; in a fork of the model's nothing happens."""
        if os.getpid() != self._pid:
            return
        with self._forgiven():
            self._facts["finished"] = _now()
            self._facts["duration_s"] = round(time.monotonic() - self._begun_s, 3)
            self._facts["metrics"] = dict(metrics)
            self._note_code()
            self._write()

    def _note_code(self) -> None:
        """Add the files that were not loaded before; of one that was, the first content counts."""
        if self._source is not None:
            model = self._facts["model"]
            model["code"] = {**loaded_code(self._source), **model.get("code", {})}

    def _write(self) -> None:
        temporary = self._path.with_suffix(".tmp")
        try:
            with temporary.open("wb") as file:
                file.write(json_or_repr(self._facts))
                file.flush()
                os.fsync(file.fileno())
            temporary.rename(self._path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise

    @contextmanager
    def _forgiven(self) -> Iterator[None]:
        try:
            yield
        except Exception as exc:  # noqa: BLE001 - facts of a foreign machine; a full disk
            logger.warning(
                "The record of how this was made is incomplete: %s: %s",
                type(exc).__name__,
                exc,
                extra={"action": "record_incomplete"},
            )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


def read_record(directory: JobDirectory) -> dict[str, Any] | None:
    """Return how what lies in a job's directory was made, ``None`` where no record was written."""
    try:
        record = json.loads((directory.path / _FILE).read_bytes())
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None
