# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""An error has a message for people, and its facts as attributes."""

import inspect
import subprocess
import sys

import pytest

from deepaas import errors

CLASSES = [
    cls
    for _, cls in inspect.getmembers(errors, inspect.isclass)
    if cls.__module__ == errors.__name__
]


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_there_is_one_tree_and_every_class_says_what_it_means(cls: type[Exception]) -> None:
    assert issubclass(cls, errors.DeepaasError)
    first = (cls.__doc__ or "").partition("\n")[0]
    assert first.endswith(".")


@pytest.mark.parametrize(
    ("exc", "message"),
    [
        (errors.DeepaasError(), "Something went wrong in DEEPaaS."),
        (errors.DeepaasError(""), "Something went wrong in DEEPaaS."),
        (errors.WorkerDied("because"), "because"),
        (errors.InvalidAnswer(), "ERROR validating model response, check server logs."),
        (errors.ModelNotFound("x"), "No model named 'x' is served here."),
        (errors.JobNotFound("1"), "No job '1' is known here."),
        (errors.TooLarge(5), "Maximum request body size 5 exceeded."),
        (errors.NotImplementedByModel("X"), "Not implemented by underlying model (loaded 'X')"),
        (errors.InvalidArguments({"a": ["b"], "c": ["d"]}), "a: ['b']; c: ['d']"),
        (errors.MalformedBody("json", "no"), "no"),
        (errors.CallFailed("ValueError", ""), "ValueError"),
        (errors.CallFailed("ValueError", "boom"), "ValueError: boom"),
    ],
)
def test_the_message(exc: errors.DeepaasError, message: str) -> None:
    assert exc.message == str(exc) == message


def test_a_class_without_words_has_an_empty_message() -> None:
    class Silent(errors.DeepaasError):
        pass

    Silent.__doc__ = None
    assert Silent().message == ""


def test_facts_are_attributes() -> None:
    load = errors.ModelLoadError("m", name="n", distribution="d", traceback="t")
    assert (load.name, load.distribution, load.traceback) == ("n", "d", "t")
    failed = errors.CallFailed("T", "t", traceback="tb", status=418)
    assert (failed.type_name, failed.text, failed.traceback, failed.status) == ("T", "t", "tb", 418)
    messages = {"a": ["b"]}
    invalid = errors.InvalidArguments(messages)
    assert invalid.messages == messages
    assert invalid.messages is not messages
    assert errors.TooLarge(5).limit_bytes == 5
    assert errors.ModelNotFound("x").name == "x"
    assert errors.JobNotFound("x").job_id == "x"
    assert errors.MalformedBody("form", "x").kind == "form"
    assert errors.InvalidAnswer("a", detail="b").detail == "b"


@pytest.mark.parametrize("cls", [errors.StorageUnavailable, errors.StorageFull])
def test_clients_are_told_no_path(cls: type[errors.StorageUnavailable]) -> None:
    exc = cls("/secret/path is gone")
    assert exc.message == "/secret/path is gone"
    assert exc.public_message == cls().message
    assert "/secret" not in exc.public_message
    assert errors.Unavailable("busy").public_message == "busy"


def test_errors_know_no_http() -> None:
    program = "import sys, deepaas.errors; sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
