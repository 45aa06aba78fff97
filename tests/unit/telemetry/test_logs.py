# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The log goes where it is asked to, and what cannot be had is told."""

import json
import logging
import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from deepaas import telemetry
from deepaas.errors import ConfigurationError
from deepaas.records import LogSettings
from deepaas.telemetry import (
    JournalHandler,
    JsonFormatter,
    TextFormatter,
    Transcript,
    configure_logging,
    logs,
    request_id,
)

logger = logging.getLogger("tests.telemetry")

#: Longer than any promise; it only ends what hangs.
PATIENCE_S = 60.0


@pytest.fixture(autouse=True)
def warnings_are_no_records_again() -> Iterator[None]:
    yield
    logging.captureWarnings(False)


@contextmanager
def configured(settings: LogSettings) -> Iterator[list[str]]:
    """Configure a root logger without handlers, and take away what that added."""
    root = logging.getLogger()
    kept, level = root.handlers[:], root.level
    quiet = logging.getLogger("asyncio").level
    root.handlers[:] = []
    try:
        yield configure_logging(settings)
    finally:
        for handler in root.handlers:
            handler.close()
        root.handlers[:] = kept
        root.setLevel(level)
        logging.getLogger("asyncio").setLevel(quiet)


@contextmanager
def ids(request: str, model: str, job: str, principal: str | None) -> Iterator[None]:
    """Say what is served until the block ends."""
    tokens = [
        (telemetry.request_id, telemetry.request_id.set(request)),
        (telemetry.model, telemetry.model.set(model)),
        (telemetry.job, telemetry.job.set(job)),
    ]
    token = telemetry.principal.set(principal)
    try:
        yield
    finally:
        telemetry.principal.reset(token)
        for variable, before in tokens:
            variable.reset(before)


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_a_file_that_cannot_be_written_is_named() -> None:
    with pytest.raises(ConfigurationError, match="log-file: /proc/none/x cannot be written"):
        configure_logging(LogSettings(file="/proc/none/x"))


@pytest.mark.parametrize("text", ["nothing", "{", '{"version": 7}', "[loggers]\nkeys=x\n"])
def test_a_bad_configuration_is_named_in_one_line(text: str, tmp_path: Path) -> None:
    file = tmp_path / "log.conf"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match="log-config-append") as caught:
        configure_logging(LogSettings(config_file=str(file)))
    assert str(file) in caught.value.message
    assert "\n" not in caught.value.message


def test_a_configuration_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigurationError, match="/none"):
        configure_logging(LogSettings(config_file="/none"))


def test_what_the_machine_does_not_have_is_told_and_the_log_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "_SYSLOG", str(tmp_path / "syslog"))
    monkeypatch.setattr(logs, "_JOURNAL", str(tmp_path / "journal"))
    file = tmp_path / "logs" / "x.log"
    settings = LogSettings(file=str(file), use_syslog=True, use_journal=True)
    with configured(settings) as problems:
        assert [word for word in ("syslog", "journal") if word not in " ".join(problems)] == []
        logger.info("words")
    assert lines(file)[0].endswith("INFO tests.telemetry words")


def test_a_file_that_was_moved_away_is_begun_anew(tmp_path: Path) -> None:
    file = tmp_path / "x.log"
    with configured(LogSettings(file=str(file), date_format="at %Y")):
        logger.info("one")
        file.rename(tmp_path / "old")
        logger.info("two")
    assert lines(file)[0].startswith("at 2")
    assert lines(file)[0].endswith("two")


def test_debug_shows_more(tmp_path: Path) -> None:
    file = tmp_path / "x.log"
    with configured(LogSettings(file=str(file))):
        logger.debug("hidden")
    assert lines(file) == []
    with configured(LogSettings(file=str(file), debug=True)):
        logger.debug("shown")
    assert "shown" in lines(file)[0]


def test_a_json_line_has_the_facts_and_the_request() -> None:
    token = request_id.set("r1")
    try:
        raise ValueError("bad\nthing")
    except ValueError as exc:
        record = logging.LogRecord(
            "x", logging.ERROR, __file__, 1, "said %s", ("ü",), (type(exc), exc, None)
        )
    record.action = "tested"
    line = JsonFormatter(datefmt="%Y").format(record)
    request_id.reset(token)
    assert "\n" not in line
    found = json.loads(line)
    assert (found["message"], found["level"], found["logger"]) == ("said ü", "ERROR", "x")
    assert (found["action"], found["request_id"]) == ("tested", "r1")
    assert "ValueError: bad\nthing" in found["traceback"]
    assert len(found["time"]) == 4


def test_a_json_line_says_what_was_served() -> None:
    """In each line, whether it is known or not; what a record says itself counts more."""
    record = logging.LogRecord("x", logging.INFO, "", 1, "said", (), None)
    assert json.loads(JsonFormatter().format(record)) | {"time": "", "process": 0} == {
        "time": "",
        "level": "INFO",
        "logger": "x",
        "process": 0,
        "action": None,
        "request_id": None,
        "model": None,
        "job": None,
        "principal": None,
        "message": "said",
        "traceback": None,
    }
    with ids("r1", "cat", "j1", "key:ada"):
        record.model = "dog"
        found = json.loads(JsonFormatter().format(record))
    named = {name: found[name] for name in ("request_id", "model", "job", "principal")}
    assert named == {"request_id": "r1", "model": "dog", "job": "j1", "principal": "key:ada"}


@pytest.mark.parametrize("is_quick", [True, False])
def test_a_json_line_is_ascii_and_takes_anything(
    is_quick: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With orjson, and without it."""
    monkeypatch.setattr(logs, "_HAS_ORJSON", is_quick)
    record = logging.LogRecord("x", logging.INFO, "", 1, "\x9b2J \udcff \x1b", (), None)
    record.odd = {1: Path("/x"), "y": {2}}
    record.asctime = "noon"  # another handler's formatter was first
    line = JsonFormatter().format(record)
    assert line.isascii()
    assert "noon" not in line
    assert line.isprintable()
    assert json.loads(line)["message"] == "\x9b2J \udcff \x1b"
    record.msg = "ü"
    assert json.loads(JsonFormatter().format(record))["message"] == "ü"
    record.msg = "plain"
    assert json.loads(JsonFormatter().format(record))["odd"] == {"1": "/x", "y": "{2}"}


class Mute:
    """Cannot be written."""

    def __repr__(self) -> str:
        raise RuntimeError


def circle() -> list[Any]:
    made: list[Any] = []
    made.append(made)
    return made


def deep() -> list[Any]:
    made: list[Any] = []
    for _ in range(10_000):
        made = [made]
    return made


@pytest.mark.parametrize("has_orjson", [True, False])
@pytest.mark.parametrize("message", ["m", "é"])
@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1.5, 1.5),
        (float("nan"), {None, "nan"}),
        ([float("-inf")], {"[None]", "[-inf]"}),
        ({(1, 2): 3}, "{(1, 2): 3}"),
        ({b"x": 1}, "{b'x': 1}"),
        (10**5000, "<int>"),
        (Mute(), "<Mute>"),
        (circle(), "[[...]]"),
        (deep(), "<list>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_json_line_is_json_whatever_was_logged(
    value: object, shown: Any, message: str, has_orjson: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no error of the model's, and of the rest of the line nothing is lost."""
    monkeypatch.setattr(logs, "_HAS_ORJSON", has_orjson and logs._HAS_ORJSON)
    record = logging.LogRecord("x", logging.INFO, "", 1, message, (), None)
    record.odd = value
    record.even = "é"
    line = JsonFormatter().format(record)
    found = json.loads(line, parse_constant=pytest.fail)
    assert line.isascii()
    assert (found["message"], found["even"]) == (message, "é")
    odd = str(found["odd"]) if isinstance(found["odd"], list) else found["odd"]
    assert odd in shown if isinstance(shown, set) else odd == shown


def test_a_text_line_says_what_was_served() -> None:
    record = logging.LogRecord("x", logging.INFO, "", 1, "said", (), None)
    formatter = TextFormatter("%(ids)s%(message)s")
    assert formatter.format(record) == "said"
    with ids("r1", "cat", "j1", "key:ada"):
        assert formatter.format(record) == "[r1] [model=cat job=j1 principal=key:ada] said"
    with ids("", "cat", "", None):
        assert formatter.format(record) == "[model=cat] said"


@pytest.mark.filterwarnings("default")
def test_a_warning_is_a_record(tmp_path: Path) -> None:
    """Whatever it quotes."""
    file = tmp_path / "x.log"
    with configured(LogSettings(file=str(file), use_json=True)), ids("r1", "cat", "", None):
        warnings.warn("it was\n{}", stacklevel=1)
    (line,) = lines(file)
    found = json.loads(line)
    assert (found["logger"], found["request_id"], found["level"]) == (
        "py.warnings",
        "r1",
        "WARNING",
    )
    assert "UserWarning: it was\n{}" in found["message"]


#: The last one is half a character, as a header with bytes beyond ASCII has it.
ENDS = ("\n", "\r", "\r\n", "\x0b", "\x1b[2K\x1b[1G", "\x85", "\u2028", "\u202e", "\udcff")


def test_nothing_in_a_record_looks_like_another(tmp_path: Path) -> None:
    """Further lines are indented, and what moves a cursor or ends a line is shown as a code."""
    file = tmp_path / "x.log"
    forged = "2026-11-26 12:00:00,000 ERROR deepaas all is lost"
    with configured(LogSettings(file=str(file))):
        for end in ENDS:
            try:
                raise ValueError(f"it was{end}{forged}")
            except ValueError:
                logger.exception("asked%s%s\tand told", end, forged)
    text = file.read_text()
    begun = [line for line in text.splitlines() if not line.startswith("  ")]
    assert len(begun) == len(ENDS)
    assert all("tests.telemetry asked" in line for line in begun)
    assert set(text) & {chr(code) for code in (*range(32), 127, 0x85, 0x9B)} == {"\n", "\t"}
    assert "  Traceback (most recent call last):" in text
    assert "asked\\x1b[2K\\x1b[1G2026" in text


def test_the_journal_gets_whole_records(tmp_path: Path) -> None:
    path = str(tmp_path / "j")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(path)
        journal.settimeout(PATIENCE_S)
        handler = JournalHandler(path)
        handler.emit(logging.LogRecord("x", logging.WARNING, "", 1, "one\ntwo", (), None))
        data = journal.recv(65536)
        handler.close()
    message = b"one\ntwo"
    assert b"MESSAGE\n" + len(message).to_bytes(8, "little") + message + b"\n" in data
    assert b"PRIORITY\n" + (1).to_bytes(8, "little") + b"4\n" in data


def test_syslog_gets_the_facility(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "s")
    monkeypatch.setattr(logs, "_SYSLOG", path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as syslog:
        syslog.bind(path)
        settings = LogSettings(file=os.devnull, use_syslog=True, syslog_facility="local0")
        syslog.settimeout(PATIENCE_S)
        with configured(settings) as problems:
            logger.warning("words")
        assert problems == []
        data = syslog.recv(65536)
    # RFC 5424, section 6.2.1: 16 * 8 + 4.
    assert data.startswith(b"<132>")
    assert b"words" in data


@pytest.mark.parametrize("form", ["json", "ini"])
def test_a_configuration_of_logging_is_used(form: str, tmp_path: Path) -> None:
    target = tmp_path / "x.log"
    if form == "json":
        text = json.dumps(
            {
                "version": 1,
                "handlers": {"f": {"class": "logging.FileHandler", "filename": str(target)}},
                "root": {"handlers": ["f"], "level": "INFO"},
            }
        )
    else:
        text = (
            "[loggers]\nkeys=root\n[handlers]\nkeys=f\n[formatters]\nkeys=\n"
            "[logger_root]\nhandlers=f\nlevel=INFO\n"
            f"[handler_f]\nclass=FileHandler\nargs=({str(target)!r},)\n"
        )
    file = tmp_path / "log.conf"
    file.write_text(text)
    with configured(LogSettings(config_file=str(file), file="/unused")):
        logger.info("words")
    assert lines(target) == ["words"]


def test_a_transcript_keeps_the_end_in_whole_lines() -> None:
    transcript = Transcript(limit_bytes=20)
    assert transcript.text() == ""
    transcript.append(b"first line\n")
    assert transcript.text() == "first line\n"
    transcript.append(b"second line\n")
    assert transcript.text() == "second line\n"
    transcript.append(b"x" * 30)
    assert transcript.text() == "x" * 20
    transcript.append(b"\xff\n")
    assert transcript.text().endswith("\ufffd\n")


def test_a_transcript_keeps_records_with_their_request() -> None:
    transcript = Transcript()
    token = request_id.set("r1")
    transcript.handle(logging.LogRecord("x", logging.INFO, "", 1, "said", (), None))
    request_id.reset(token)
    assert transcript.text().endswith("INFO x [r1] said\n")
