# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A model's own set-up of its log counts, and the service's records come out all the same."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from deepaas.execution.messages import LoadModel
from deepaas.records import LogSettings, ModelSource, SourceKind
from deepaas.telemetry import configure_model_logging
from tests.unit.execution.counterpart import Counterpart

service = logging.getLogger("deepaas.part")
model = logging.getLogger("a_model")


@contextmanager
def configured(settings: LogSettings) -> Iterator[None]:
    """Set up the log as in the process of a model, and take it away again."""
    known = [logging.getLogger(name) for name in (None, "deepaas", "asyncio")]
    levels = [each.level for each in known]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logging, "basicConfig", logging.basicConfig)
        for each in known:
            patch.setattr(each, "handlers", [])
            patch.setattr(each, "propagate", True)
        configure_model_logging(settings)
        opened = [handler for each in known for handler in each.handlers]
        yield
    for each, level in zip(known, levels, strict=True):
        each.setLevel(level)
    for handler in opened:
        handler.close()
    logging.captureWarnings(False)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return the file to which the log goes."""
    return tmp_path / "log"


def words(text: str) -> list[str]:
    """Return what stands behind the time in each line."""
    return [line.split(" ", 2)[2] for line in text.splitlines()]


def log_both() -> None:
    for each in (model, service):
        each.info("one")
        each.debug("two")


@pytest.mark.parametrize("options", [{}, {"level": None, "force": False}])
def test_a_model_that_sets_nothing_up_changes_nothing(log: Path, options: Any) -> None:
    with configured(LogSettings(file=str(log))):
        logging.basicConfig(**options)
        logging.info("of root, which would set itself up")  # noqa: LOG015 - as models do
        log_both()
        assert words(log.read_text()) == [
            "INFO root of root, which would set itself up",
            "INFO a_model one",
            "INFO deepaas.part one",
        ]


@pytest.mark.parametrize("level", [logging.DEBUG, "DEBUG", logging.NOTSET])
def test_a_level_alone_is_set_and_the_log_stays_where_it_is(log: Path, level: Any) -> None:
    """The service's own records keep theirs."""
    with configured(LogSettings(file=str(log))):
        logging.basicConfig(level=level)
        log_both()
        logging.basicConfig(level=logging.ERROR)
        log_both()
        assert words(log.read_text()) == [
            "INFO a_model one",
            "DEBUG a_model two",
            "INFO deepaas.part one",
            "INFO deepaas.part one",
        ]


@pytest.mark.parametrize("more", [{}, {"force": True}])
def test_a_model_logs_where_and_how_it_wants_and_the_service_as_before(
    log: Path, more: Any
) -> None:
    with configured(LogSettings(file=str(log))):
        own = io.StringIO()
        logging.basicConfig(stream=own, format="%(message)s!", level="DEBUG", **more)
        log_both()
        assert own.getvalue().splitlines() == ["one!", "two!"]
        assert words(log.read_text()) == ["INFO deepaas.part one"]
        # As in any program, the second time it does nothing.
        logging.basicConfig(stream=io.StringIO())
        model.info("three")
        assert own.getvalue().splitlines()[2:] == ["three!"]


def test_a_model_that_added_a_handler_itself_has_set_its_log_up(log: Path) -> None:
    with configured(LogSettings(file=str(log))):
        own = io.StringIO()
        logging.getLogger().addHandler(logging.StreamHandler(own))
        logging.basicConfig(stream=io.StringIO())
        log_both()
        assert own.getvalue().splitlines() == ["one"] * 2
        assert words(log.read_text()) == ["INFO a_model one", "INFO deepaas.part one"]


def test_a_set_up_that_fails_leaves_the_log_as_it_was(log: Path, tmp_path: Path) -> None:
    with configured(LogSettings(file=str(log))):
        with pytest.raises(FileNotFoundError):
            logging.basicConfig(filename=tmp_path / "no" / "file")
        log_both()
        assert words(log.read_text()) == ["INFO a_model one", "INFO deepaas.part one"]


@pytest.mark.parametrize("of_root", [["all"], []])
def test_what_the_operator_has_configured_for_the_service_stays(
    tmp_path: Path, of_root: list[str]
) -> None:
    def handler(name: str) -> dict[str, str]:
        return {"class": "logging.FileHandler", "filename": str(tmp_path / name)}

    configuration = {
        "version": 1,
        "handlers": {name: handler(name) for name in ("ours", *of_root)},
        "loggers": {"deepaas": {"handlers": ["ours"], "propagate": False, "level": "DEBUG"}},
        "root": {"handlers": of_root, "level": "INFO"},
    }
    file = tmp_path / "log.json"
    file.write_text(json.dumps(configuration))
    with configured(LogSettings(config_file=str(file))):
        own = io.StringIO()
        logging.basicConfig(stream=own, format="%(message)s")
        log_both()
    assert own.getvalue().splitlines() == ["one"]
    assert [(tmp_path / name).read_text() for name in of_root] == [""] * len(of_root)
    assert (tmp_path / "ours").read_text().splitlines() == ["one", "two"]


MODEL = """
import logging
def set_up(when):
    if when == WHEN:
        logging.basicConfig(level=logging.DEBUG, filename="own.log", format="%(name)s|%(message)s")
def warm():
    set_up("warm")
def predict(level):
    set_up("predict")
    logging.basicConfig(level=level)
    logging.getLogger("mine").debug("a word")
    logging.getLogger("deepaas.part").info("a word of the service's")
set_up("import")
"""


@pytest.mark.parametrize("when", ["import", "warm", "predict", ""])
def test_the_process_of_a_model_logs_as_the_model_says(tmp_path: Path, when: str) -> None:
    path = tmp_path / "logging_model.py"
    path.write_text(f"WHEN = {when!r}\n{MODEL}")
    source = ModelSource("logging_model", SourceKind.FILE, str(path))
    with Counterpart(source, tmp_path, LoadModel(source, True, log=LogSettings())) as worker:
        worker.loaded()
        worker.call(1, level="DEBUG")
        worker.hear()
        assert worker.stop() == 0
        printed = words(worker.close())
    own = "DEBUG mine [r1] [model=logging_model] a word"
    assert printed[-1] == "INFO deepaas.part [r1] [model=logging_model] a word of the service's"
    assert printed[:-1] == ([] if when else [own])
    if when:
        assert (tmp_path / "own.log").read_text().splitlines() == ["mine|a word"]
