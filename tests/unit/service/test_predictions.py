# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A prediction gives an answer or one of our errors, and releases what it was given."""

import asyncio
import logging
import os
from pathlib import Path

import pytest

from deepaas import errors
from deepaas.execution.messages import Failure, memory_file
from deepaas.records import CallInput
from deepaas.service.incoming import Incoming
from deepaas.service.predictions import error_of
from tests.unit.parts import echo_service, open_fds, until


def given(path: Path, **pairs: str) -> Incoming:
    """Return an input with arguments and a file that must be gone afterwards."""
    path.touch()
    return Incoming(CallInput(query=tuple(pairs.items())), paths=[path])


@pytest.mark.parametrize(
    ("pairs", "error"),
    [
        ({"number": "-1"}, errors.InvalidArguments),
        ({"how": "raise"}, errors.CallFailed),
        ({"how": "invalid"}, errors.InvalidInput),
        ({"how": "missing"}, errors.NotImplementedByModel),
    ],
)
async def test_a_call_that_fails(
    tmp_path: Path, pairs: dict[str, str], error: type[Exception]
) -> None:
    async with echo_service(tmp_path) as service:
        path = tmp_path / "upload"
        with pytest.raises(error):
            await service.predictions.predict("echo", given(path, **pairs), request_id="r")
        assert not path.exists()


async def test_what_is_refused_is_released_too(tmp_path: Path) -> None:
    path = tmp_path / "upload"
    async with echo_service(tmp_path, predict=False) as service:
        with pytest.raises(errors.EndpointDisabled):
            await service.predictions.predict("echo", given(path), request_id="r")
        assert not path.exists()
    async with echo_service(tmp_path) as service:
        with pytest.raises(errors.ModelNotFound):
            await service.predictions.predict("dog", given(path), request_id="r")
        assert not path.exists()
        description = service.models.get("echo").description
        service.models.put(type(description)("echo", {}, can_predict=False))
        with pytest.raises(errors.NotImplementedByModel, match="loaded 'echo'"):
            await service.predictions.predict("echo", given(path), request_id="r")
        assert not path.exists()


async def test_a_caller_that_goes_away(tmp_path: Path) -> None:
    async with echo_service(tmp_path) as service:
        path = tmp_path / "upload"
        call = asyncio.create_task(service.predictions.predict("echo", given(path), request_id="r"))
        await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert not path.exists()


async def test_answers(tmp_path: Path) -> None:
    async with echo_service(tmp_path) as service:
        # What the worker and the pool of threads open when they are used first.
        await service.predictions.predict("echo", Incoming(), request_id="first")
        await asyncio.to_thread(int)
        before = open_fds()
        found = await service.predictions.predict(
            "echo", given(tmp_path / "upload", text="x"), request_id="r"
        )
        assert found.body == b'{"status":"OK","predictions":{"text":"x"}}'
        assert (found.content_type, found.fd, found.filename) == ("application/json", None, None)

        large = Incoming(body_fd=memory_file(b'{"text": "%s"}' % (b"x" * 300_000)))
        found = await service.predictions.predict("echo", large, request_id="r")
        assert found.body is None
        assert found.fd is not None
        assert os.fstat(found.fd).st_size > 300_000
        os.close(found.fd)
        await until(lambda: open_fds() <= before)


@pytest.mark.parametrize(
    ("failure", "error", "message"),
    [
        (Failure("E", "t"), errors.CallFailed, "E: t"),
        (Failure("E", "t", status=409), errors.CallFailed, "E: t"),
        (Failure("InvalidInput", "t", status=400), errors.InvalidInput, "t"),
        (Failure("HTTPBadRequest", "t", status=400), errors.CallFailed, "HTTPBadRequest: t"),
        (
            Failure("E", "t", messages={"a": ["b"]}, origin="arguments"),
            errors.InvalidArguments,
            "a: ['b']",
        ),
        (Failure("E", "t", origin="arguments"), errors.InvalidArguments, ""),
        (Failure("E", "t", messages={"form": ["t"]}, origin="body"), errors.MalformedBody, "t"),
        (Failure("E", "t", origin="body"), errors.MalformedBody, "t"),
        (Failure("E", "t", origin="missing"), errors.NotImplementedByModel, "cat"),
        (Failure("E", "t", origin="answer"), errors.InvalidAnswer, "t"),
    ],
)
def test_a_failure_becomes_an_error(
    failure: Failure, error: type[errors.DeepaasError], message: str
) -> None:
    exc = error_of(failure, "cat")
    assert type(exc) is error
    assert message in exc.message
    if isinstance(exc, errors.CallFailed):
        assert exc.status == failure.status
    if isinstance(exc, errors.MalformedBody):
        assert exc.kind == ("form" if failure.messages else "json")


def test_the_model_s_traceback_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        error_of(Failure("E", "t"), "cat")
        assert caplog.records == []
        error_of(Failure("E", "t", "Traceback of it\n"), "cat")
    assert len(caplog.records) == 1
    assert caplog.records[0].getMessage() == "The model cat raised:\nTraceback of it"
