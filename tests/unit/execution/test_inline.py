# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A model in the server's own process answers as in one of its own, and keeps nobody waiting."""

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from deepaas.errors import CallFailed, Conflict, ModelLoadError, Unavailable, WorkerDied
from deepaas.execution.inline import InlinePool
from deepaas.model import context
from deepaas.records import (
    PACKAGE_VERSION,
    ModelDescription,
    ModelSource,
    ServedVersion,
    SourceKind,
)
from tests.unit.parts import until

CODE = """
import threading
from webargs import fields
go = threading.Event()
began = threading.Event()
def get_predict_args():
    return {"how": fields.Str(load_default="")}
def predict(how):
    if how == "raise":
        raise ValueError("seven")
    if how == "exit":
        raise SystemExit(3)
    if how == "wait":
        began.set()
        go.wait(30)
    return how
"""


@pytest.fixture(autouse=True)
def _no_folder_stays() -> Iterator[None]:
    yield
    context.install_model_dir(None)


@asynccontextmanager
async def inline(
    tmp_path: Path, code: str = CODE, version: ServedVersion = PACKAGE_VERSION
) -> AsyncIterator[InlinePool]:
    # A name of its own: the module stays in this process.
    name = f"inline_{tmp_path.name}"
    path = tmp_path / f"{name}.py"
    path.write_text(code)
    source = ModelSource(name, SourceKind.FILE, str(path))
    loaded: list[ModelDescription] = []
    pool = InlinePool(source, warm=True, on_loaded=loaded.append)
    pool.start(version)
    yield pool
    await pool.close(grace_s=0.05)
    await pool.close(grace_s=0.05)


def predict(pool: InlinePool, how: str, released: list[str]) -> "asyncio.Task[bytes | None]":
    async def run() -> bytes | None:
        result = await pool.call(
            "predict",
            request_id="r",
            arguments={"how": how},
            release=lambda: released.append(how),
        )
        if result.answer.failure is not None:
            return result.answer.failure.text.encode()
        return result.answer.body

    return asyncio.create_task(run())


async def test_calls_are_answered_and_fail_one_by_one(tmp_path: Path) -> None:
    released: list[str] = []
    async with inline(tmp_path) as pool:
        assert pool.reason == "The model is loading."
        await pool.wait_loaded()
        assert (pool.ready_workers, pool.is_busy) == (1, False)
        assert b'"x"' in (await predict(pool, "x", released) or b"")
        assert await predict(pool, "raise", released) == b"seven"
        with pytest.raises(CallFailed, match="SystemExit: 3"):
            await predict(pool, "exit", released)
        assert b'"y"' in (await predict(pool, "y", released) or b"")
        assert released == ["x", "raise", "exit", "y"]
        assert not pool.is_busy


async def test_a_model_that_cannot_be_loaded(tmp_path: Path) -> None:
    async with inline(tmp_path, "raise ValueError('not today')\n") as pool:
        with pytest.raises(ModelLoadError, match="not today"):
            await pool.wait_loaded()
        assert pool.ready_workers == 0


async def test_closing_waits_for_no_call_that_hangs(tmp_path: Path) -> None:
    released: list[str] = []
    async with inline(tmp_path) as pool:
        await pool.wait_loaded()
        hanging, queued = (predict(pool, how, released) for how in ("wait", "queued"))
        await asyncio.sleep(0)
        pool.refuse()
        assert pool.reason == "The service is shutting down."
        with pytest.raises(Unavailable):
            await predict(pool, "late", released)
        await pool.close(grace_s=0.05)
        # Whoever asks for them again must know which of them may have had an effect.
        for call, error in ((hanging, WorkerDied), (queued, Unavailable)):
            with pytest.raises(Unavailable, match="shutting down") as caught:
                await call
            assert type(caught.value) is error
        [thread] = [
            each for each in threading.enumerate() if each.name == f"model {pool.source.name}"
        ]
        assert thread.daemon
        release_model(pool)
        await until(lambda: not thread.is_alive())
        await asyncio.sleep(0)
        assert sorted(released) == ["late", "queued", "wait"]


def release_model(pool: InlinePool) -> None:
    """Let the call that waits go on."""
    sys.modules[pool.source.name].go.set()


SHOWS = """
import deepaas
loaded = deepaas.model_dir()
def warm():
    if loaded is not None and loaded.name == "bad":
        raise ValueError("a strange format")
def predict(**_):
    return [str(loaded), str(deepaas.model_dir())]
"""


async def test_each_model_has_the_folder_of_its_own_version(tmp_path: Path) -> None:
    """Though they share a process."""
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
    one, two = (ServedVersion(n, "x", str(folder)) for n, folder in enumerate(folders, 1))
    async with inline(folders[0], SHOWS, one) as first, inline(folders[1], SHOWS, two) as second:
        for pool, version in ((first, one), (second, two), (first, one)):
            await pool.wait_loaded()
            result = await pool.call("predict", request_id="r", arguments={})
            assert (result.answer.body or b"").count(str(version.model_dir).encode()) == 2
            assert result.version == version.number
    assert context.model_dir() == folders[0]


async def test_a_model_in_the_server_is_started_with_another_version_but_not_switched(
    tmp_path: Path,
) -> None:
    bad = ServedVersion(2, "x", str(tmp_path / "bad"))
    async with inline(tmp_path, SHOWS, bad) as pool:
        with pytest.raises(ModelLoadError, match="a strange format"):
            await pool.wait_loaded()
        sys.modules.pop(pool.source.name, None)
        await pool.restart(PACKAGE_VERSION)
        await pool.wait_loaded()
        assert pool.version == PACKAGE_VERSION
        commits = []

        async def commit() -> None:
            commits.append(1)

        with pytest.raises(Conflict, match="--workers 0"):
            await pool.switch(bad, commit=commit)
        assert commits == []
        await pool.switch(PACKAGE_VERSION, commit=commit)
        assert commits == [1]


async def test_a_file_that_is_returned_says_its_version(tmp_path: Path) -> None:
    code = (
        "from deepaas import ReturnedFile\nfrom webargs import fields\n"
        "def get_predict_args(): return {'accept': fields.Str()}\n"
        "def predict(accept): return ReturnedFile(None, __file__)\n"
    )
    async with inline(tmp_path, code, ServedVersion(3, "x", str(tmp_path))) as pool:
        await pool.wait_loaded()
        arguments = {"accept": "application/zip"}
        result = await pool.call("predict", request_id="r", arguments=arguments)
        assert result.fd is not None
        os.close(result.fd)
        assert result.version == 3
