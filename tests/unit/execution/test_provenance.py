# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The record of how something was made: complete, early, and never in the way."""

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import deepaas
from deepaas.execution.jobdir import JobDirectory
from deepaas.execution.provenance import Provenance, read_record
from deepaas.records import Argument, ModelSource, SourceKind

SOURCE = ModelSource("m", SourceKind.FILE, "/work/m.py")
DECLARED = (
    Argument("epochs", "epochs", "Int"),
    Argument("token", "token", "Str", is_secret=True),
    Argument("seed", "seed", "Int"),
)


@pytest.fixture
def directory(tmp_path: Path) -> JobDirectory:
    directory = JobDirectory(tmp_path / "job")
    directory.create(b"")
    return directory


def record_of(directory: JobDirectory) -> dict[str, Any]:
    record = read_record(directory)
    assert record is not None
    return record


def test_what_is_known_is_written_when_it_is_known(directory: JobDirectory) -> None:
    provenance = Provenance(directory)
    assert read_record(directory) is None
    provenance.begin(SOURCE)
    begun = record_of(directory)
    assert begun["model"] == {"name": "m", "from": "file 'm.py'", "package": None, "version": None}
    assert begun["deepaas"] == deepaas.__version__
    assert any(line.startswith("pytest==") for line in begun["packages"])
    assert begun["hardware"]["cores"] >= 1
    assert {"version", "implementation", "platform"} == set(begun["python"])
    assert (begun["finished"], begun["duration_s"]) == (None, None)

    provenance.called(DECLARED, {"epochs": 3, "token": "hidden", "seed": 7})
    called = record_of(directory)
    assert called["arguments"] == {"epochs": 3, "token": "***", "seed": 7}
    assert called["seed"] == 7
    assert isinstance(called["model"]["code"], dict)

    provenance.end({"loss": 0.5})
    ended = record_of(directory)
    assert ended["metrics"] == {"loss": 0.5}
    assert ended["duration_s"] >= 0
    assert datetime.fromisoformat(ended["started"]) <= datetime.fromisoformat(ended["finished"])
    assert not (directory.path / "record.tmp").exists()


@pytest.mark.parametrize(
    ("arguments", "seed"), [({"random_seed": 5}, 5), ({"epochs": 1}, None), ({"seed": None}, None)]
)
def test_a_seed_is_what_is_called_so(
    directory: JobDirectory, arguments: dict[str, Any], seed: int | None
) -> None:
    provenance = Provenance(directory)
    provenance.begin(SOURCE)
    provenance.called((), arguments)
    assert record_of(directory)["seed"] == seed


def test_what_cannot_be_written_ends_nothing(
    directory: JobDirectory, caplog: pytest.LogCaptureFixture
) -> None:
    (directory.path / "record.json").mkdir()
    provenance = Provenance(directory)
    provenance.begin(SOURCE)
    provenance.called(DECLARED, {"epochs": 3})
    provenance.end({})
    assert caplog.text.count("The record of how this was made is incomplete") == 3
    assert not (directory.path / "record.tmp").exists()


def test_a_training_that_could_not_begin_has_an_end_all_the_same(directory: JobDirectory) -> None:
    """Its call could not be read, say."""
    Provenance(directory).end({})
    assert record_of(directory)["finished"] is not None


def test_a_fork_writes_no_record(directory: JobDirectory) -> None:
    provenance = Provenance(directory)
    if os.fork() == 0:
        provenance.end({})
        os._exit(0)
    os.wait()
    assert read_record(directory) is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff"])
def test_a_record_that_is_none_is_not_read(directory: JobDirectory, content: bytes) -> None:
    (directory.path / "record.json").write_bytes(content)
    assert read_record(directory) is None
    (directory.path / "record.json").write_text(json.dumps({"seed": 1}))
    assert read_record(directory) == {"seed": 1}
