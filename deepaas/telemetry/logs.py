# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Where the log goes, and how its lines look.

A record begins at the start of a line, and what more lines it has are indented: nothing that a
client sent, and a model or a traceback repeats, can pass for a record of its own.
"""

import errno
import json
import logging
import os
import re
import socket
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

from deepaas.errors import ConfigurationError
from deepaas.records import LogSettings
from deepaas.telemetry.ids import current_ids

#: Without it, as where answers are encoded: slower, and otherwise the same.
_HAS_ORJSON = find_spec("orjson") is not None
_FORMAT = "%(asctime)s %(levelname)s %(name)s %(ids)s%(message)s"
_SYSLOG_FORMAT = "%(processName)s[%(process)d]: %(levelname)s %(name)s %(ids)s%(message)s"
#: What could move a terminal's cursor, begin a line, or hide what follows: ISO 6429's controls, the
#: separators of Unicode at which :meth:`str.splitlines` cuts too, and what turns the direction of
#: writing. And halves of characters, which a file does not take: their line would be lost.
_CONTROLS = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_SYSLOG = "/dev/log"
#: The protocol: https://systemd.io/JOURNAL_NATIVE_PROTOCOL.
_JOURNAL = "/run/systemd/journal/socket"
#: Level of a record to the priority of syslog(3).
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
#: How many attributes every record has; the others came by ``extra``, or from another formatter.
_STANDARD = len(vars(logging.makeLogRecord({})))
_OF_FORMATTERS = ("asctime", "ids")


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def indented(text: str) -> str:
    """Return a text whose lines but the first are indented, its control characters escaped."""
    if text.isprintable():
        return text
    return _CONTROLS.sub(_escaped, text.replace("\r\n", "\n")).replace("\n", "\n  ")


class TextFormatter(logging.Formatter):
    """Lines for people: time, level, logger, in brackets what was served, message.

    The first brackets hold the id of the request, the next ones ``model=``, ``job=`` and
    ``principal=``, each only where it is known.
    """

    def __init__(self, fmt: str = _FORMAT, datefmt: str | None = None) -> None:
        super().__init__(fmt, datefmt)

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines."""
        return indented(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Return the first part, without a traceback."""
        known = {name: value for name, value in current_ids().items() if value}
        request = known.pop("request_id", None)
        words = " ".join(f"{name}={value}" for name, value in known.items())
        record.ids = "".join(f"[{part}] " for part in (request, words) if part)
        return super().formatMessage(record)


class JsonFormatter(logging.Formatter):
    """One JSON object a line, with what was served and the facts that came by ``extra``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        found = vars(record)
        when = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, Any] = {
            "time": when.strftime(self.datefmt) if self.datefmt else when.isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "process": record.process,
            "action": None,
            **current_ids(),
            "message": record.getMessage(),
            "traceback": None,
            # Behind what every record has, whose order is always the same.
            **dict(islice(found.items(), _STANDARD, None)),
        }
        for name in _OF_FORMATTERS:
            line.pop(name, None)
        if record.exc_info:
            line["traceback"] = "".join(traceback.format_exception(*record.exc_info))
        return _one_line(line)


def _one_line(line: dict[str, Any]) -> str:
    """Return JSON in ASCII, so that no text of a client's means anything to a terminal."""
    if _HAS_ORJSON:
        # Here, for every worker would pay, and most logs are text.
        import orjson

        try:
            quickly = orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS)
        except TypeError:
            pass  # lone surrogates, or a number of many digits
        else:
            if quickly.isascii():
                return quickly.decode()
    members = (f"{json.dumps(str(name))}: {_value(line[name])}" for name in line)
    return f"{{{', '.join(members)}}}"


def _value(value: object) -> str:
    """Return a value as JSON in ASCII, whatever a model has logged."""
    with suppress(Exception):  # NaN, keys that are no texts, a circle, a __str__ that raises
        return json.dumps(value, default=str, allow_nan=False)
    with suppress(Exception):  # a __repr__ that raises, or goes too deep
        return json.dumps(repr(value))
    return json.dumps(f"<{type(value).__name__}>")


class JournalHandler(logging.Handler):
    """Sends records to systemd's journal; one that it does not take is lost.

    Raises:
        OSError: There is no journal.
    """

    def __init__(self, path: str = _JOURNAL) -> None:
        super().__init__()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self._socket.connect(path)
        except OSError:
            self._socket.close()
            raise

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record."""
        try:
            self._socket.send(b"".join(self._fields(record)))
        except Exception:  # noqa: BLE001 - logging's own way with what a handler meets
            self.handleError(record)

    def _fields(self, record: logging.LogRecord) -> Iterator[bytes]:
        priority = next((value for level, value in _PRIORITIES if record.levelno >= level), 7)
        fields = {
            "MESSAGE": self.format(record),
            "PRIORITY": str(priority),
            "SYSLOG_IDENTIFIER": "deepaas",
            "LOGGER": record.name,
        }
        for name, text in fields.items():
            data = text.encode(errors="replace")
            yield name.encode() + b"\n" + len(data).to_bytes(8, "little") + data + b"\n"

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
        super().close()


class Transcript(logging.Handler):
    """Keeps the end of what it is given: records of the log, and output of processes.

    Safe across threads.
    """

    def __init__(self, limit_bytes: int = 256 * 1024) -> None:
        super().__init__()
        self._limit_bytes = limit_bytes
        self._data = bytearray()
        self._keeps_all = True
        self._guard = threading.Lock()
        self.setFormatter(TextFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        self.append(f"{self.format(record)}\n".encode(errors="replace"))

    def append(self, data: bytes) -> None:
        """Keep output, and let go of the oldest beyond the limit."""
        with self._guard:
            self._data += data
            if len(self._data) > self._limit_bytes:
                del self._data[: -self._limit_bytes]
                self._keeps_all = False

    def text(self) -> str:
        """Return what is kept: whole lines, as far as they are shorter than the limit."""
        with self._guard:
            data, keeps_all = bytes(self._data), self._keeps_all
        if not keeps_all:
            data = data.partition(b"\n")[2] or data
        return data.decode(errors="replace")


def configure_logging(settings: LogSettings) -> list[str]:
    """Set up the log of this process; called once, by a command or a worker.

    Returns:
        What this machine does not have of what was asked for; the log goes elsewhere all the same.

    Raises:
        ConfigurationError: What is asked for cannot be had.
    """
    # Python's own way to show them is no line of the log, and a model's may quote its client.
    logging.captureWarnings(True)
    if settings.config_file is not None:
        _configure_from_file(Path(settings.config_file))
        return []
    handlers, problems = _handlers(settings)
    level = logging.DEBUG if settings.debug else logging.INFO
    logging.basicConfig(level=level, handlers=handlers)
    if not settings.debug:
        logging.getLogger("asyncio").setLevel(logging.WARNING)
    return problems


def _configure_from_file(path: Path) -> None:
    # Here, since few ask for it, and every worker would pay.
    from logging.config import dictConfig, fileConfig

    try:
        text = path.read_text("utf-8")
        if text.lstrip().startswith("{"):
            dictConfig({"disable_existing_loggers": False, **json.loads(text)})
        else:
            fileConfig(path, disable_existing_loggers=False)
    except Exception as exc:
        # logging.config promises no classes for what it finds.
        why = " ".join(f"{type(exc).__name__}: {exc}".split()).rstrip(".")
        raise ConfigurationError(f"log-config-append: {path} cannot be used: {why}.") from exc


def _handlers(settings: LogSettings) -> tuple[list[logging.Handler], list[str]]:
    """Return the handlers, and what is missing of what was asked for."""
    problems = []
    handlers = [_main_handler(settings)]
    formatter = _formatter(settings, _FORMAT)
    if settings.use_syslog:
        try:
            handlers.append(_syslog_handler(settings))
        except OSError as exc:
            problems.append(f"There is no syslog at {_SYSLOG}: {exc.strerror}.")
    if settings.use_journal:
        try:
            handlers.append(JournalHandler())
        except OSError as exc:
            problems.append(f"There is no journal at {_JOURNAL}: {exc.strerror}.")
    for handler in handlers:
        if handler.formatter is None:
            handler.setFormatter(formatter)
    return handlers, problems


def _formatter(settings: LogSettings, form: str) -> logging.Formatter:
    if settings.use_json:
        return JsonFormatter(datefmt=settings.date_format)
    return TextFormatter(form, settings.date_format)


def _main_handler(settings: LogSettings) -> logging.Handler:
    if settings.file is None:
        return logging.StreamHandler(sys.stderr)
    from logging.handlers import WatchedFileHandler

    try:
        Path(settings.file).parent.mkdir(parents=True, exist_ok=True)
        return WatchedFileHandler(settings.file, encoding="utf-8")
    except OSError as exc:
        raise ConfigurationError(
            f"log-file: {settings.file} cannot be written: {exc.strerror}."
        ) from exc


def _syslog_handler(settings: LogSettings) -> logging.Handler:
    from logging.handlers import SysLogHandler

    # The handler itself does not say so, and fails with every line.
    if not Path(_SYSLOG).exists():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), _SYSLOG)
    handler = SysLogHandler(_SYSLOG, SysLogHandler.facility_names[settings.syslog_facility])
    handler.setFormatter(_formatter(settings, _SYSLOG_FORMAT))
    return handler
