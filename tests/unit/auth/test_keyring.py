# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The keys of a file are the valid ones, as soon as it changes and whatever becomes of it."""

import asyncio
import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from deepaas.auth import Identity, Policy, Principal
from deepaas.auth.keyring import KeyRing
from deepaas.auth.keys import make_key
from deepaas.errors import ConfigurationError, InvalidCredentials
from tests.unit.parts import until

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def principal_of(identity: Identity) -> Principal:
    return Principal(identity.name, frozenset(Policy(role) for role in identity.roles))


def ring_of(*files: Path, text: str = "", now: datetime = NOON) -> KeyRing:
    return KeyRing(files, text, principal_of=principal_of, where="THE_VARIABLE", now=lambda: now)


def written(path: Path, text: str) -> None:
    """Replace a file as an editor or `deepaas keys` does."""
    new = path.with_name("new")
    new.write_text(text)
    new.chmod(0o600)
    new.rename(path)


async def test_keys_of_the_environment_and_of_files(tmp_path: Path) -> None:
    first, second = make_key("a", ["train"]), make_key("b")
    written(tmp_path / "keys", second[1].line)
    ring = ring_of(tmp_path / "keys", text=f"a {first[0]} role=train")
    assert len(ring) == 2
    assert ring.authenticate(first[0]) == Principal("key:a", frozenset({Policy.TRAIN}))
    assert ring.authenticate(second[0]).name == "key:b"
    async with ring_of(text=first[1].line) as alone:
        assert alone.authenticate(first[0]).name == "key:a"


@pytest.mark.parametrize("change", ["", "x", "id", "case", "long", "lone", "other"])
def test_what_is_no_key_is_refused(change: str) -> None:
    key, record = make_key("a")
    wrong = {
        "": "",
        "x": key + "x",
        "id": key[:20],
        "case": key.upper(),
        "long": key * 1000,
        # What aiohttp makes of a header that is no UTF-8.
        "lone": f"{key[:21]}\udcff",
        "other": make_key("a")[0],
    }[change]
    with pytest.raises(InvalidCredentials, match="not known here") as caught:
        ring_of(text=record.line).authenticate(wrong)
    assert not wrong or wrong not in caught.value.message


def test_a_key_ends_at_its_time() -> None:
    key, record = make_key("a", expires=NOON)
    before = datetime(2026, 11, 22, 11, 59, 59, tzinfo=UTC)
    assert ring_of(text=record.line, now=before).authenticate(key).name == "key:a"
    with pytest.raises(InvalidCredentials, match="expired"):
        ring_of(text=record.line, now=NOON).authenticate(key)


async def test_a_file_that_changes_is_read_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    old, new = make_key("a"), make_key("b")
    file = tmp_path / "keys"
    written(file, old[1].line)
    ring = ring_of(file)
    await ring.look()
    assert caplog.text == ""
    written(file, new[1].line)
    await ring.look()
    assert ring.authenticate(new[0]).name == "key:b"
    with pytest.raises(InvalidCredentials):
        ring.authenticate(old[0])
    assert "There are 1 keys from now on" in caplog.text


async def test_of_several_files_one_may_change(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second, third = make_key("a"), make_key("b"), make_key("c")
    written(tmp_path / "one", first[1].line)
    (tmp_path / "one").chmod(0o644)
    written(tmp_path / "two", second[1].line)
    ring = ring_of(tmp_path / "one", tmp_path / "two")
    written(tmp_path / "two", third[1].line)
    await ring.look()
    assert ring.authenticate(first[0]).name == "key:a"
    assert ring.authenticate(third[0]).name == "key:c"
    assert caplog.text.count("can be read by others") == 1


@pytest.mark.parametrize("fault", ["gone", "broken", "folder", "pipe", "binary", "twice", "long"])
async def test_a_broken_file_takes_no_key_away_and_is_told_once(
    fault: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (key, record), later = make_key("a"), make_key("b")
    file = tmp_path / "keys"
    written(file, record.line)
    ring = ring_of(file)
    file.unlink()
    match fault:
        case "broken":
            file.write_text(f"{record.line}\nb hunter2\n")
        case "folder":
            file.mkdir()
        case "pipe":
            os.mkfifo(file)
        case "binary":
            file.write_bytes(b"\xff")
        case "twice":
            file.write_text(f"{record.line}\n{record.line}\n")
        case "long":
            with file.open("w") as sparse:
                sparse.truncate(5_000_000)
    for _ in range(3):
        await ring.look()
    assert ring.authenticate(key).name == "key:a"
    [told] = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert str(file) in told.getMessage()
    assert "stay valid" in told.getMessage()
    assert "hunter2" not in caplog.text
    file.rmdir() if fault == "folder" else file.unlink(missing_ok=True)
    written(file, later[1].line)
    await ring.look()
    assert ring.authenticate(later[0]).name == "key:b"


@pytest.mark.parametrize(
    ("mode", "told"), [(0o600, ""), (0o640, ""), (0o644, "read"), (0o620, "changed")]
)
async def test_a_file_that_is_open_to_others_is_told(
    mode: int, told: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "keys"
    written(file, make_key("a")[1].line)
    file.chmod(mode)
    ring = ring_of(file)
    await ring.look()
    warnings = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    assert [f"can be {told} by others (mode {mode:o})" in each for each in warnings] == (
        [True] if told else []
    )


def test_at_the_start_a_wrong_file_or_text_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"keys' cannot be read: No such file .* create"):
        ring_of(tmp_path / "keys")
    with pytest.raises(ConfigurationError, match="THE_VARIABLE, line 1"):
        ring_of(text="hunter2")
    _, record = make_key("a")
    written(tmp_path / "keys", record.line)
    with pytest.raises(ConfigurationError, match="the keys together: there are two keys named 'a'"):
        ring_of(tmp_path / "keys", text=record.line)


async def test_a_fault_of_ours_does_not_end_the_looking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Or a key that is revoked later would be good until the service ends."""
    caplog.set_level(logging.INFO, "deepaas.auth.keyring")
    monkeypatch.setattr("deepaas.auth.keyring._LOOK_S", 0.001)
    key, record = make_key("a")
    file = tmp_path / "keys"
    written(file, record.line)
    real = asyncio.to_thread
    left = 3

    async def without_threads(*args: Any) -> Any:
        nonlocal left
        if left:
            left -= 1
            raise RuntimeError("can't start new thread")
        return await real(*args)

    monkeypatch.setattr(asyncio, "to_thread", without_threads)
    async with asyncio.timeout(60), ring_of(file) as ring:
        written(file, make_key("b")[1].line)
        await until(lambda: len(caplog.records) == 2)
        with pytest.raises(InvalidCredentials):
            ring.authenticate(key)
    told, again = caplog.records
    assert "start new thread" in told.getMessage()
    assert told.exc_info is not None
    assert "1 keys" in again.getMessage()


async def test_while_it_is_open_a_ring_looks_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deepaas.auth.keyring._LOOK_S", 0.001)
    key, record = make_key("a")
    file = tmp_path / "keys"
    written(file, make_key("b")[1].line)
    async with asyncio.timeout(60), ring_of(file) as ring:
        written(file, record.line)
        while True:
            try:
                assert ring.authenticate(key).name == "key:a"
                break
            except InvalidCredentials:
                await asyncio.sleep(0.001)
    written(file, make_key("c")[1].line)
    await asyncio.sleep(0)
    assert ring.authenticate(key).name == "key:a"
