# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Keys are made, listed and revoked; a file is replaced whole, and keeps its secrets."""

import errno
import os
import re
import resource
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deepaas.auth.keys import read_keys
from deepaas.cmd import keys
from deepaas.cmd.main import main
from deepaas.config.sign_in import KEYS_FILE_VARIABLE


@pytest.fixture(autouse=True)
def file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    path = tmp_path / "etc" / "keys"
    monkeypatch.setenv(KEYS_FILE_VARIABLE, str(path))
    return path


def create(*argv: str) -> int:
    return main(["keys", "create", *argv])


def test_a_key_is_printed_alone_and_kept_hashed(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = os.umask(0)
    try:
        assert create("--name=ada", "--role=train", "--role=nights", "--expires=90d") == 0
    finally:
        os.umask(old)
    out, err = capsys.readouterr()
    assert re.fullmatch(r"dpk_[0-9a-f]{16}_[A-Za-z0-9_-]{43}\n", out)
    assert "'nights' allows nothing by itself" in err
    assert "shown once" in err
    text = file.read_text()
    assert out.strip()[21:] not in text
    [record] = read_keys(text, "x")
    assert (record.name, record.roles) == ("ada", frozenset({"train", "nights"}))
    assert record.proves(out.strip())
    assert record.expires is not None
    assert abs(record.expires - datetime.now(UTC) - timedelta(days=90)) < timedelta(minutes=5)
    assert file.stat().st_mode & 0o777 == 0o600
    assert os.listdir(file.parent) == ["keys"]


def test_a_file_may_be_named_and_keeps_its_comments(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    other.write_text("# ours\n\n# theirs")
    link = tmp_path / "link"
    link.symlink_to(other)
    assert create("--name=a", f"--file={link}", "--expires=2999-01-31") == 0
    assert "no role" in capsys.readouterr().err
    assert link.is_symlink()
    assert other.read_text().startswith("# ours\n\n# theirs\na dpk_")
    assert not file.exists()


def test_keys_are_listed(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    create("--name=ada", "--role=predict", "--role=nights", "--expires=2999-01-31T12:00:00Z")
    create("--name=bob")
    with file.open("a") as lines:
        lines.write(f"old dpk_0123456789abcdef:sha256:{'0' * 64} expires=2020-01-01\n")
    capsys.readouterr()
    assert main(["keys", "list"]) == 0
    head, ada, bob, old = capsys.readouterr().out.splitlines()
    assert head.split() == ["NAME", "ID", "ROLES", "EXPIRES"]
    assert re.fullmatch(r"ada +dpk_[0-9a-f]{16} +nights,predict +2999-01-31 12:00", ada)
    assert re.fullmatch(r"bob +dpk_[0-9a-f]{16} +- +never", bob)
    assert old.endswith("2020-01-01 00:00 (expired)")
    assert "0" * 64 not in old


def test_a_revoked_key_is_gone_and_the_rest_stays(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b", "c"):
        create(f"--name={name}")
    one, two, three = (line for line in file.read_text().splitlines() if line[0] != "#")
    file.write_text(f"# a\n{one}; {two}\n{three}\n")
    assert main(["keys", "revoke", "a"]) == 0
    assert file.read_text() == f"# a\n {two}\n{three}\n"
    assert main(["keys", "revoke", "b"]) == main(["keys", "revoke", "c"]) == 0
    assert file.read_text() == "# a\n"
    assert "within a second" in capsys.readouterr().err
    assert file.stat().st_mode & 0o777 == 0o600


def test_who_may_read_the_file_stays(file: Path) -> None:
    """Otherwise a service that reads it as a group would never learn of a revoked key."""
    create("--name=a")
    file.chmod(0o640)
    before = file.stat()
    assert create("--name=b") == 0
    assert main(["keys", "revoke", "a"]) == 0
    after = file.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (
        before.st_mode,
        before.st_uid,
        before.st_gid,
    )


def test_where_that_cannot_stay_nothing_changes(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    create("--name=a")
    before = file.read_text()
    monkeypatch.setattr(os, "chown", refuse)
    assert main(["keys", "revoke", "a"]) == 1
    assert "cannot be used: Operation not permitted" in capsys.readouterr().err
    assert file.read_text() == before
    assert os.listdir(file.parent) == ["keys"]


def test_keys_that_are_made_at_once_are_all_kept(file: Path) -> None:
    barrier = threading.Barrier(8)

    def one(number: int) -> int:
        barrier.wait()
        return keys.main(["create", f"--name=k{number}"])

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one, range(8))) == [0] * 8
    assert len(read_keys(file.read_text(), "x")) == 8


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (["create", "--name=a"], "two keys named 'a'"),
        (["create", "--name=a@b"], "the name of a key is 'a@b'"),
        (["create", "--name=b", "--role=A"], "a role is 'A'"),
        (["create", "--name=b", "--expires=90"], "--expires is '90'"),
        (["create", "--name=b", "--expires=0"], "leave it out"),
        (["create", "--name=b", "--expires=2020-01-01"], "that has passed"),
        (["create", "--name=b", "--expires=2020-13-01"], "expires is '2020-13-01'"),
        (["create", "--name=b", "--expires=360000w"], "at most"),
        (["revoke", "nobody"], "no key named 'nobody'"),
        (["list", "--file=/nowhere/keys"], "No such file"),
        (["revoke", "a", "--file=/nowhere/keys"], "No such file"),
        (["create", "--name=b", "--file=/dev/null/keys"], "/dev/null cannot be used"),
        (["create", "--name=b", "--file=/proc/new"], "/proc/new cannot be used"),
        (["list", "--file=/"], "Is a directory"),
    ],
)
def test_what_cannot_be_done_changes_nothing(
    file: Path, argv: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    create("--name=a")
    before = file.read_text()
    capsys.readouterr()
    status = main(["keys", *argv])
    out, err = capsys.readouterr()
    assert (status, out) == (1, "")
    assert why in err
    assert file.read_text() == before


def test_a_file_that_is_no_text(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.parent.mkdir()
    file.write_bytes(b"\xff")
    assert main(["keys", "list"]) == 1
    assert "is no text" in capsys.readouterr().err


def test_what_cannot_be_written_leaves_the_file_as_it_was(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    create("--name=a")
    before = file.read_text()
    capsys.readouterr()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before), limits[1]))
    try:
        status = create("--name=b")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    out, err = capsys.readouterr()
    assert (status, out) == (1, "")
    assert "File too large" in err
    assert file.read_text() == before
    assert os.listdir(file.parent) == ["keys"]


def test_without_a_file_there_are_no_keys(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(KEYS_FILE_VARIABLE)
    assert create("--name=a") == 1
    assert "--file or DEEPAAS_API_KEYS_FILE" in capsys.readouterr().err
